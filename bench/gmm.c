/* ADBench's Gaussian mixture by hand: value and gradient in one pass over blocks of points.
   All loops over the points of a block are innermost, so a compiler makes vectors of them. For each
   block: q_k = Q_k (x - mean_k), then the weights of the components, then what each component
   sends to its parameters. D and K are given when it is compiled; called by gmm.py. */

#include <math.h>
#include <string.h>

#define BLOCK 32
#define BELOW (D * (D - 1) / 2)
#define WIDTH (D + BELOW)
#define POINTS for (int n = 0; n < BLOCK; n++)
typedef double Row[BLOCK];

double gmm(int count, double gamma, int degrees, double constant,
           const double *alphas, const double *means, const double *icf, const double *x,
           double *dalphas, double *dmeans, double *dicf)
{
    static double diagonal[K][D], sums[K], dmean[D];
    static Row points[D], q[K][D], a[D], weight[K];
    double value = constant;
    for (int k = 0; k < K; k++) {
        sums[k] = 0;
        for (int i = 0; i < D; i++) {
            diagonal[k][i] = exp(icf[k * WIDTH + i]);
            sums[k] += icf[k * WIDTH + i];
        }
    }
    for (int begin = 0; begin < count; begin += BLOCK) {
        const int here = count - begin < BLOCK ? count - begin : BLOCK;
        Row top, total;
        POINTS for (int i = 0; i < D; i++)
            points[i][n] = n < here ? x[(begin + n) * D + i] : 0;
        POINTS top[n] = -INFINITY;
        for (int k = 0; k < K; k++) {
            const double *lower = icf + k * WIDTH + D, mixed = alphas[k] + sums[k];
            Row squares = {0};
            for (int i = 0; i < D; i++)
                POINTS {
                    a[i][n] = points[i][n] - means[k * D + i];
                    q[k][i][n] = diagonal[k][i] * a[i][n];
                }
            for (int j = 0; j < D; j++)
                for (int i = j + 1; i < D; i++, lower++)
                    POINTS q[k][i][n] += *lower * a[j][n];
            for (int i = 0; i < D; i++)
                POINTS squares[n] += q[k][i][n] * q[k][i][n];
            POINTS {
                weight[k][n] = mixed - 0.5 * squares[n];
                top[n] = weight[k][n] > top[n] ? weight[k][n] : top[n];
            }
        }
        POINTS total[n] = 0;
        for (int k = 0; k < K; k++)
            POINTS total[n] += weight[k][n] = exp(weight[k][n] - top[n]);
        for (int n = 0; n < here; n++)
            value += top[n] + log(total[n]);
        POINTS total[n] = n < here ? 1 / total[n] : 0;
        for (int k = 0; k < K; k++) {
            const double *lower = icf + k * WIDTH + D;
            double *dlower = dicf + k * WIDTH + D, sum = 0;
            POINTS sum += weight[k][n] *= total[n];
            dalphas[k] += sum;
            for (int i = 0; i < D; i++) {
                double from_diagonal = 0, sent = 0;
                POINTS {
                    a[i][n] = points[i][n] - means[k * D + i];
                    q[k][i][n] *= -weight[k][n];
                    from_diagonal += q[k][i][n] * a[i][n];
                    sent += q[k][i][n];
                }
                dicf[k * WIDTH + i] += from_diagonal * diagonal[k][i] + sum;
                dmean[i] = sent;
            }
            for (int i = 0; i < D; i++)
                dmeans[k * D + i] -= diagonal[k][i] * dmean[i];
            for (int j = 0; j < D; j++)
                for (int i = j + 1; i < D; i++) {
                    double sent = 0;
                    POINTS sent += q[k][i][n] * a[j][n];
                    *dlower++ += sent;
                    dmeans[k * D + j] -= *lower++ * dmean[i];
                }
        }
    }
    double top = -INFINITY, total = 0;
    for (int k = 0; k < K; k++)
        top = alphas[k] > top ? alphas[k] : top;
    for (int k = 0; k < K; k++)
        total += exp(alphas[k] - top);
    value -= count * (top + log(total));
    for (int k = 0; k < K; k++) {
        dalphas[k] -= count * exp(alphas[k] - top) / total;
        for (int i = 0; i < WIDTH; i++) {
            const double v = i < D ? diagonal[k][i] : icf[k * WIDTH + i];
            value += 0.5 * gamma * gamma * v * v - (i < D ? degrees * icf[k * WIDTH + i] : 0);
            dicf[k * WIDTH + i] += gamma * gamma * (i < D ? v * v : v) - (i < D ? degrees : 0);
        }
    }
    return value;
}
