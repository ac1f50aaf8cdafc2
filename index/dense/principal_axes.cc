#include "index/dense/principal_axes.h"

#include <Eigen/Dense>
#include <algorithm>
#include <random>

namespace vouch {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor>;

constexpr int kIterations = 6;
constexpr uint64_t kSeed = 20261123;

// Rows of the sample: node i * nodes / sample.
uint32_t SampleNode(const DenseColumn& column, uint32_t sample, uint32_t i) {
  return static_cast<uint32_t>(uint64_t{i} * column.nodes() / sample);
}

Matrix Orthonormal(const Matrix& columns) {
  const Eigen::HouseholderQR<Matrix> qr(columns);
  return qr.householderQ() * Matrix::Identity(columns.rows(), columns.cols());
}

}  // namespace

std::vector<float> FindMean(const DenseColumn& column, uint32_t sample) {
  sample = std::min(sample, column.nodes());
  std::vector<float> mean(column.dim(), 0.0f);
  if (column.metric() == Metric::kInnerProduct) return mean;
  std::vector<double> sums(column.dim(), 0.0);
  std::vector<float> scratch(column.dim());
  for (uint32_t i = 0; i < sample; ++i) {
    const float* vector = column.Values(SampleNode(column, sample, i), scratch.data());
    for (uint32_t d = 0; d < column.dim(); ++d) sums[d] += static_cast<double>(vector[d]);
  }
  for (uint32_t d = 0; d < column.dim(); ++d) mean[d] = static_cast<float>(sums[d] / sample);
  return mean;
}

PrincipalAxes FindPrincipalAxes(const DenseColumn& column, uint32_t count, uint32_t sample) {
  sample = std::min(sample, column.nodes());
  const auto dim = static_cast<Eigen::Index>(column.dim());
  PrincipalAxes found;
  found.mean = FindMean(column, sample);
  const Eigen::Map<const Eigen::VectorXf> mean(found.mean.data(), dim);
  Matrix centred(dim, static_cast<Eigen::Index>(sample));
  std::vector<float> scratch(column.dim());
  for (uint32_t i = 0; i < sample; ++i) {
    const Eigen::Map<const Eigen::VectorXf> vector(column.Values(SampleNode(column, sample, i), scratch.data()), dim);
    centred.col(static_cast<Eigen::Index>(i)) = vector - mean;
  }
  Matrix covariance = Matrix::Zero(dim, dim);
  covariance.selfadjointView<Eigen::Lower>().rankUpdate(centred, 1.0f / static_cast<float>(sample));
  covariance.triangularView<Eigen::StrictlyUpper>() = covariance.transpose();

  std::mt19937_64 random(kSeed);
  Matrix basis(dim, static_cast<Eigen::Index>(count));
  for (Eigen::Index i = 0; i < basis.size(); ++i) {
    basis.data()[i] = static_cast<float>(static_cast<double>(random() >> 11) * 0x1.0p-52 - 1.0);
  }
  basis = Orthonormal(basis);
  for (int i = 0; i < kIterations; ++i) basis = Orthonormal(covariance * basis);
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(basis.transpose() * covariance * basis);
  basis = basis * solver.eigenvectors();  // ascending variance

  found.axes.resize(static_cast<size_t>(count) * column.dim());
  for (uint32_t axis = 0; axis < count; ++axis) {
    const Eigen::Index from = static_cast<Eigen::Index>(count - 1 - axis);
    std::copy(basis.col(from).data(), basis.col(from).data() + dim,
              found.axes.begin() + static_cast<ptrdiff_t>(size_t{axis} * column.dim()));
  }
  return found;
}

}  // namespace vouch
