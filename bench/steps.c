/* The limit that rows of array steps are measured against (arrays.py): loops written by hand, value
   and gradient in one pass.

   Built with -ffast-math, for libmvec's functions of vectors: sums and products in any order, no
   care for nan, and 0 * inf where a branch was not taken. sin and cos are declared without effects,
   so that each becomes a call of vectors; together they would be one of numbers. */

#include <math.h>

extern double sin(double) __attribute__((const));
extern double cos(double) __attribute__((const));

double arithmetic(long n, const double *restrict xs, double *restrict dxs)
{
    double total = 0;
    for (long i = 0; i < n; i++) {
        double x = xs[i], a[7], share[6];
        a[0] = x * 1.1;
#pragma GCC unroll 6
        for (int k = 0; k < 6; k++) {
            double u = a[k] * x + 0.5, v = a[k] - k;
            a[k + 1] = (u > v ? u : v) * 0.3;
            share[k] = u > v ? 1.0 : u == v ? 0.5 : 0.0;
        }
        total += a[6] * a[6] + x;
        double d = 2 * a[6], dx = 1;
#pragma GCC unroll 6
        for (int k = 5; k >= 0; k--) {
            double both = d * 0.3, du = both * share[k];
            dx += du * a[k];
            d = du * x + (both - du);
        }
        dxs[i] = dx + d * 1.1;
    }
    return total;
}

double chain(long n, const double *restrict xs, double *restrict dxs)
{
    double total = 0;
    for (long t = 0; t < n; t++) {
        double x = xs[t];
        double c = tanh(x * 1.1 + 0.3), e = exp(c * x), g = log(e + 1.0), h = g > 0.5 ? g : 0.5;
        double turn = h * c + x, i = sin(turn) + x * 1.1, m = i > -1.0 ? i : -1.0;
        double square = m * m + 0.1, l = log(square), q = tanh(l * g + i);
        double wave = sin(q * h), power = exp(wave);
        total += power + q;
        double dqh = power * cos(q * h), dh = dqh * q, dz = (1 + dqh * h) * (1 - q * q);
        double di = dz + (i > -1.0 ? dz * g / square * 2 * m : 0), dturn = di * cos(turn);
        dh += dturn * c;
        double dg = dz * l + (g > 0.5 ? dh : 0), dcx = dg * e / (e + 1.0);
        double dc = dturn * h + dcx * x;
        dxs[t] = dturn + di * 1.1 + dcx * c + dc * (1 - c * c) * 1.1;
    }
    return total;
}
