/* The limit that rows are measured against: what a person writes as a C extension of Python.

   Forward and backward by hand, no checks beyond those for memory, the same floats and arrays in and
   out as the other candidates. Built when a row needs it (_limits.py). */

#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <Python.h>
#include <math.h>
#include <numpy/arrayobject.h>

static PyObject *neuron(PyObject *self, PyObject *const *a, Py_ssize_t count)
{
    double w0 = PyFloat_AsDouble(a[0]), x0 = PyFloat_AsDouble(a[1]);
    double w1 = PyFloat_AsDouble(a[2]), x1 = PyFloat_AsDouble(a[3]);
    double f = 1 / (1 + exp(-(w0 * x0 + w1 * x1 + PyFloat_AsDouble(a[4]))));
    double ddot = (1 - f) * f;
    double slopes[5] = {x0 * ddot, w0 * ddot, x1 * ddot, w1 * ddot, ddot};
    PyObject *both = PyTuple_New(2), *gradient = PyTuple_New(5);
    for (int i = 0; i < 5; i++) PyTuple_SET_ITEM(gradient, i, PyFloat_FromDouble(slopes[i]));
    PyTuple_SET_ITEM(both, 0, PyFloat_FromDouble(f));
    PyTuple_SET_ITEM(both, 1, gradient);
    return both;
}

static PyObject *staged(PyObject *self, PyObject *const *a, Py_ssize_t count)
{
    double x = PyFloat_AsDouble(a[0]), y = PyFloat_AsDouble(a[1]);
    double sigy = 1 / (1 + exp(-y)), sigx = 1 / (1 + exp(-x));
    double num = x + sigy, xpy = x + y;
    double invden = 1 / (sigx + xpy * xpy);
    double dden = -invden * invden * num, dxpy = 2 * xpy * dden;
    PyObject *both = PyTuple_New(2), *gradient = PyTuple_New(2);
    double dx = invden + dxpy + (1 - sigx) * sigx * dden;
    PyTuple_SET_ITEM(gradient, 0, PyFloat_FromDouble(dx));
    PyTuple_SET_ITEM(gradient, 1, PyFloat_FromDouble(dxpy + (1 - sigy) * sigy * invden));
    PyTuple_SET_ITEM(both, 0, PyFloat_FromDouble(num * invden));
    PyTuple_SET_ITEM(both, 1, gradient);
    return both;
}

static PyObject *rosenbrock(PyObject *self, PyObject *array)
{
    PyArrayObject *given = (PyArrayObject *)array;
    npy_intp n = PyArray_DIM(given, 0);
    const double *x = PyArray_DATA(given);
    PyObject *gradient = PyArray_SimpleNew(1, &n, NPY_DOUBLE);
    double *dx = PyArray_DATA((PyArrayObject *)gradient);
    double total = 0, before = 0;
    for (npy_intp i = 0; i + 1 < n; i++) {
        double t = x[i + 1] - x[i] * x[i], u = 1 - x[i];
        total += 100 * t * t + u * u;
        dx[i] = before - 400 * t * x[i] - 2 * u;
        before = 200 * t;
    }
    dx[n - 1] = before;
    PyObject *both = PyTuple_New(2);
    PyTuple_SET_ITEM(both, 0, PyFloat_FromDouble(total));
    PyTuple_SET_ITEM(both, 1, gradient);
    return both;
}

/* One observation: 2 rows of slopes by 11 numbers of the camera, 3 of the point, 1 weight. */
static void observe(const double *cam, const double *X, double w, const double *feat,
                    double *dcam, double *dX, double *dw)
{
    double x[3] = {X[0] - cam[3], X[1] - cam[4], X[2] - cam[5]};
    double theta = sqrt(cam[0] * cam[0] + cam[1] * cam[1] + cam[2] * cam[2]);
    double inverse = 1 / theta, c = cos(theta), s = sin(theta);
    double a[3] = {cam[0] * inverse, cam[1] * inverse, cam[2] * inverse};
    double ax[3] = {a[1] * x[2] - a[2] * x[1], a[2] * x[0] - a[0] * x[2],
                    a[0] * x[1] - a[1] * x[0]};
    double along = a[0] * x[0] + a[1] * x[1] + a[2] * x[2], t = along * (1 - c);
    double Y[3];
    for (int i = 0; i < 3; i++) Y[i] = x[i] * c + ax[i] * s + a[i] * t;
    double z = 1 / Y[2], p[2] = {Y[0] * z, Y[1] * z};
    double r = p[0] * p[0] + p[1] * p[1];
    double L = 1 + cam[9] * r + cam[10] * r * r, dL = 2 * cam[9] + 4 * cam[10] * r;
    for (int k = 0; k < 2; k++) {
        double *row = dcam + 11 * k;
        double dp[2] = {w * cam[6] * p[k] * dL * p[0], w * cam[6] * p[k] * dL * p[1]};
        dp[k] += w * cam[6] * L;
        double v[3] = {dp[0] * z, dp[1] * z, -(dp[0] * p[0] + dp[1] * p[1]) * z};
        double xv[3] = {x[1] * v[2] - x[2] * v[1], x[2] * v[0] - x[0] * v[2],
                        x[0] * v[1] - x[1] * v[0]};
        double va[3] = {v[1] * a[2] - v[2] * a[1], v[2] * a[0] - v[0] * a[2],
                        v[0] * a[1] - v[1] * a[0]};
        double v_x = v[0] * x[0] + v[1] * x[1] + v[2] * x[2];
        double v_a = v[0] * a[0] + v[1] * a[1] + v[2] * a[2];
        double v_ax = v[0] * ax[0] + v[1] * ax[1] + v[2] * ax[2];
        double dtheta = -s * v_x + c * v_ax + s * along * v_a, da[3], a_da = 0;
        for (int i = 0; i < 3; i++) {
            da[i] = s * xv[i] + (1 - c) * (v_a * x[i] + along * v[i]);
            a_da += a[i] * da[i];
        }
        for (int i = 0; i < 3; i++) {
            row[i] = a[i] * dtheta + (da[i] - a[i] * a_da) * inverse;
            dX[3 * k + i] = v[i] * c + va[i] * s + a[i] * v_a * (1 - c);
            row[3 + i] = -dX[3 * k + i];
        }
        row[6] = w * L * p[k];
        row[7 + k] = w;
        row[8 - k] = 0;
        row[9] = w * cam[6] * p[k] * r;
        row[10] = w * cam[6] * p[k] * r * r;
        dw[k] = cam[6] * L * p[k] + cam[7 + k] - feat[k];
    }
}

static PyObject *bundle(PyObject *self, PyObject *const *given, Py_ssize_t count)
{
    const double *in[4];
    for (int i = 0; i < 4; i++) in[i] = PyArray_DATA((PyArrayObject *)given[i]);
    const npy_int64 *seen = PyArray_DATA((PyArrayObject *)given[4]);
    npy_intp n = PyArray_DIM((PyArrayObject *)given[4], 0), sizes[3] = {11, 3, 0};
    PyObject *all = PyTuple_New(3);
    double *out[3];
    for (int i = 0; i < 3; i++) {
        npy_intp shape[3] = {n, 2, sizes[i]};
        PyObject *made = PyArray_SimpleNew(i < 2 ? 3 : 2, shape, NPY_DOUBLE);
        out[i] = PyArray_DATA((PyArrayObject *)made);
        PyTuple_SET_ITEM(all, i, made);
    }
    for (npy_intp i = 0; i < n; i++)
        observe(in[0] + 11 * seen[2 * i], in[1] + 3 * seen[2 * i + 1], in[2][i], in[3] + 2 * i,
                out[0] + 22 * i, out[1] + 6 * i, out[2] + 2 * i);
    return all;
}

static PyMethodDef methods[] = {
    {"neuron", (PyCFunction)(void (*)(void))neuron, METH_FASTCALL, "w0, x0, w1, x1, w2"},
    {"staged", (PyCFunction)(void (*)(void))staged, METH_FASTCALL, "x, y"},
    {"rosenbrock", rosenbrock, METH_O, "x"},
    {"bundle", (PyCFunction)(void (*)(void))bundle, METH_FASTCALL,
     "cameras, points, weights, features, seen"},
    {NULL},
};

static struct PyModuleDef limits = {PyModuleDef_HEAD_INIT, "limits", NULL, -1, methods};

PyMODINIT_FUNC PyInit_limits(void)
{
    import_array();
    return PyModule_Create(&limits);
}
