#pragma once

namespace vouch {

// The distributions that tests of evaluation stand on, to about 1e-12. Arguments out of range give
// NaN.

double NormalCdf(double x);
// Of p in (0, 1); -inf at 0, inf at 1.
double NormalQuantile(double p);
// P(|T| >= |t|) of Student's t; `degrees` above 0.
double StudentTwoSidedP(double t, double degrees);
// The t with P(T <= t) = p, p in (0, 1).
double StudentQuantile(double p, double degrees);
// P(X >= x) of chi-square.
double ChiSquareUpper(double x, double degrees);
// The x with P(X <= x) = p, p in (0, 1).
double ChiSquareQuantile(double p, double degrees);
// P(X <= x) of the beta distribution.
double BetaCdf(double x, double a, double b);
double BetaQuantile(double p, double a, double b);

}  // namespace vouch
