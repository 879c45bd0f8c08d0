"""What users call: gradients of functions, and worked circuits."""
