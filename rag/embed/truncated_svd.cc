#include "rag/embed/truncated_svd.h"

// Eigen would use as many threads as OpenMP gives it wherever OpenMP is on.
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Dense>
#include <Eigen/SparseCore>
#include <algorithm>
#include <cmath>

#include "absl/status/status.h"

namespace vouch {
namespace {

using Matrix = Eigen::MatrixXd;
using Sparse = Eigen::SparseMatrix<double, Eigen::RowMajor, int64_t>;

constexpr int64_t kBasisPerRank = 3;
// Wider blocks: fewer passes over the sparse matrix, and more basis vectors for the same accuracy.
constexpr int64_t kBlockColumns = 25;
// What is left of a vector after projection, relative to it, below which it is rounding noise.
constexpr double kNoise = 1e-8;

Sparse ToEigen(const SparseRows& rows) {
  Sparse matrix(static_cast<int64_t>(rows.rows()), rows.columns_count);
  matrix.reserve(static_cast<int64_t>(rows.values.size()));
  for (size_t r = 0; r < rows.rows(); ++r) {
    matrix.startVec(static_cast<int64_t>(r));
    for (uint64_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
      matrix.insertBack(static_cast<int64_t>(r), rows.columns[i]) = rows.values[i];
    }
  }
  matrix.finalize();
  return matrix;
}

// SplitMix64: the fixed start block.
double NextUniform(uint64_t* state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0;
}

// The orthonormal basis of the Krylov space of M·Mᵀ.
class KrylovBasis {
 public:
  KrylovBasis(int64_t dim, int64_t capacity) : vectors_(dim, capacity) {}

  // Makes the block orthogonal to the basis and in itself, and appends what is more than noise.
  void Append(Matrix* block) {
    const Eigen::VectorXd norms = block->colwise().norm();
    for (int pass = 0; pass < 2; ++pass) {  // "twice is enough" (Giraud et al., 2005)
      const Matrix shares = vectors_.leftCols(size_).transpose() * *block;
      block->noalias() -= vectors_.leftCols(size_) * shares;
    }
    const int64_t first = size_;
    for (int64_t c = 0; c < block->cols() && size_ < vectors_.cols(); ++c) {
      for (int pass = 0; pass < 2; ++pass) {
        const Eigen::VectorXd shares =
            vectors_.middleCols(first, size_ - first).transpose() * block->col(c);
        block->col(c) -= vectors_.middleCols(first, size_ - first) * shares;
      }
      const double rest = block->col(c).norm();
      if (rest > kNoise * norms(c)) vectors_.col(size_++) = block->col(c) / rest;
    }
  }
  int64_t size() const { return size_; }
  auto vectors() const { return vectors_.leftCols(size_); }
  auto block(int64_t begin, int64_t end) const { return vectors_.middleCols(begin, end - begin); }

 private:
  Matrix vectors_;
  int64_t size_ = 0;
};

struct Ritz {
  Eigen::VectorXd values;  // of M·Mᵀ, descending, all positive
  Matrix left;             // the matching left singular vectors of M
};

// The largest eigenpairs of M·Mᵀ, where M has no more rows than columns.
absl::StatusOr<Ritz> LargestPairs(const Sparse& matrix, const Sparse& transposed, int64_t max_rank,
                                  const CancelToken& cancel,
                                  const std::function<void(double)>& progress) {
  const int64_t dim = matrix.rows();
  const int64_t basis_size = std::min(dim, kBasisPerRank * max_rank + kBlockColumns);
  const int64_t block_columns = std::min(basis_size, kBlockColumns);
  KrylovBasis basis(dim, basis_size);
  Matrix block(dim, block_columns);
  uint64_t state = 1990;
  for (int64_t c = 0; c < block_columns; ++c) {
    for (int64_t r = 0; r < dim; ++r) block(r, c) = NextUniform(&state);
  }
  basis.Append(&block);
  Matrix projected = Matrix::Zero(basis_size, basis_size);  // upper triangle of Qᵀ·M·Mᵀ·Q
  int64_t from = 0;
  while (from < basis.size()) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const int64_t to = basis.size();
    const Matrix half = transposed * basis.block(from, to);
    block = matrix * half;
    projected.block(0, from, to, to - from).noalias() = basis.vectors().transpose() * block;
    from = to;
    if (progress) progress(0.9 * static_cast<double>(to) / static_cast<double>(basis_size));
    if (to < basis_size) basis.Append(&block);
  }
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(
      Matrix(projected.topLeftCorner(from, from).selfadjointView<Eigen::Upper>()));
  if (solver.info() != Eigen::Success)
    return absl::InternalError("the projected eigenproblem did not converge");
  int64_t rank = 0;
  const double smallest = from == 0 ? 0 : std::max(solver.eigenvalues()(from - 1), 0.0) * 1e-12;
  while (rank < std::min(from, max_rank) && solver.eigenvalues()(from - 1 - rank) > smallest)
    ++rank;
  Ritz ritz{.values = Eigen::VectorXd(rank), .left = Matrix()};
  Matrix rotation(from, rank);
  for (int64_t i = 0; i < rank; ++i) {
    ritz.values(i) = solver.eigenvalues()(from - 1 - i);
    rotation.col(i) = solver.eigenvectors().col(from - 1 - i);
  }
  ritz.left = basis.vectors() * rotation;
  return ritz;
}

}  // namespace

absl::StatusOr<TruncatedSvd> ComputeTruncatedSvd(const SparseRows& rows, uint32_t max_rank,
                                                 const CancelToken& cancel,
                                                 const std::function<void(double)>& progress) {
  constexpr const char* kZero = "the matrix to decompose has no entry that is not zero";
  if (rows.values.empty() || max_rank == 0) return absl::InvalidArgumentError(kZero);
  Sparse matrix = ToEigen(rows);
  Sparse transposed = matrix.transpose();
  const bool wide = matrix.rows() <= matrix.cols();
  if (!wide) std::swap(matrix, transposed);
  absl::StatusOr<Ritz> ritz = LargestPairs(matrix, transposed, max_rank, cancel, progress);
  if (!ritz.ok()) return ritz.status();
  const int64_t rank = ritz->values.size();
  if (rank == 0) return absl::InvalidArgumentError(kZero);
  TruncatedSvd result;
  result.rank = static_cast<uint32_t>(rank);
  // Of a tall matrix the transpose was decomposed: its left vectors are the right ones asked for.
  Matrix right = wide ? Matrix(transposed * ritz->left) : std::move(ritz->left);
  result.right.resize(static_cast<size_t>(right.rows() * rank));
  for (int64_t i = 0; i < rank; ++i) {
    const double singular = std::sqrt(ritz->values(i));
    result.singular_values.push_back(singular);
    Eigen::Index largest = 0;
    right.col(i).cwiseAbs().maxCoeff(&largest);
    const double scale = (right(largest, i) < 0 ? -1.0 : 1.0) / (wide ? singular : 1.0);
    for (int64_t c = 0; c < right.rows(); ++c) {
      result.right[static_cast<size_t>(c * rank + i)] = static_cast<float>(right(c, i) * scale);
    }
  }
  if (progress) progress(1.0);
  return result;
}

}  // namespace vouch
