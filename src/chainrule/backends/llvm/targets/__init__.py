"""Machines that code is generated for. Nothing outside this folder may assume one."""
