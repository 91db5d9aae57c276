// Sums over all ways to spread a string of labels over frames, with blanks between (connectionist temporal
// classification). States 0, 2, 4 .. are blanks, 1, 3, 5 .. the labels in order.
//
// Probabilities in double precision, each frame's scaled to sum to 1: states may differ by a factor of 10^300. Where that
// is not enough `lost` of the example is set, and its figures are not to be used.
#include <algorithm>
#include <cmath>
#include <vector>

namespace {

constexpr double LEAST = 1e-250, MOST = 1e250;

struct Spelling {
  int64_t states;
  const int32_t* labels;
  int32_t blank;

  int32_t at(int64_t state) const { return state & 1 ? labels[state / 2] : blank; }
  bool skips(int64_t state) const { return (state & 1) && state > 1 && labels[state / 2] != labels[state / 2 - 1]; }
};

// what the frame gives to each state
void emit(const Spelling& spelling, const float* frame, double* to) {
  const double blank = std::exp((double)frame[spelling.blank]);
  for (int64_t state = 0; state < spelling.states; ++state)
    to[state] = state & 1 ? std::exp((double)frame[spelling.labels[state / 2]]) : blank;
}

}  // namespace

extern "C" {

// totals[n] for labels[n, room] of which sizes[n] count; kept for the way back: rows [examples, length, 2 room + 1],
// which sum to 1, and what frames gave to states, divided by the sum of the row, of the same shape
void ctc_forward(const float* frames, const int64_t* lengths, int64_t examples, int64_t length, int64_t columns,
                 const int32_t* labels, const int64_t* sizes, int64_t room, int64_t blank, double* rows, double* shares,
                 double* totals, int32_t* lost) {
#pragma omp parallel
  {
    std::vector<double> skip(2 * room + 1);
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < examples; ++n) {
      const Spelling spelling = {2 * sizes[n] + 1, labels + n * room, (int32_t)blank};
      const int64_t states = spelling.states, width = 2 * room + 1;
      for (int64_t s = 0; s < states; ++s) skip[s] = spelling.skips(s) ? 1.0 : 0.0;
      double total = 0;
      lost[n] = lengths[n] == 0;
      for (int64_t t = 0; t < lengths[n]; ++t) {
        double* row = rows + (n * length + t) * width;
        double* share = shares + (n * length + t) * width;
        emit(spelling, frames + (n * length + t) * columns, share);
        const double* before = row - width;
        if (t == 0) {
          for (int64_t s = 0; s < states; ++s) row[s] = s < 2 ? share[s] : 0.0;
        } else {
          row[0] = before[0] * share[0];
          if (states > 1) row[1] = (before[1] + before[0]) * share[1];
          for (int64_t s = 2; s < states; ++s) row[s] = (before[s] + before[s - 1] + skip[s] * before[s - 2]) * share[s];
        }
        double sum = 0;
        for (int64_t s = 0; s < states; ++s) sum += row[s];
        if (!(sum > LEAST)) lost[n] = 1;
        total += std::log(sum);
        const double scale = 1 / sum;
        for (int64_t s = 0; s < states; ++s) row[s] *= scale, share[s] *= scale;
      }
      if (lengths[n]) {
        const double* row = rows + (n * length + lengths[n] - 1) * width;
        const double sum = row[states - 1] + (states > 1 ? row[states - 2] : 0.0);
        if (!(sum > LEAST)) lost[n] = 1;
        total += std::log(sum);
      }
      totals[n] = total;
    }
  }
}

// of_frames [examples, length, columns], zero at first
void ctc_backward(const int64_t* lengths, int64_t examples, int64_t length, int64_t columns, const int32_t* labels,
                  const int64_t* sizes, int64_t room, int64_t blank, const double* rows, const double* shares,
                  const float* gradient, float* of_frames, int32_t* lost) {
#pragma omp parallel
  {
    std::vector<double> back(2 * room + 3), ahead(2 * room + 3), skip(2 * room + 3);
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < examples; ++n) {
      if (lost[n] || gradient[n] == 0.0f) continue;
      const Spelling spelling = {2 * sizes[n] + 1, labels + n * room, (int32_t)blank};
      const int64_t states = spelling.states, width = 2 * room + 1;
      for (int64_t s = 0; s < states + 2; ++s) skip[s] = s < states && spelling.skips(s) ? 1.0 : 0.0;
      const double* row = rows + (n * length + lengths[n] - 1) * width;
      const double whole = 1 / (row[states - 1] + (states > 1 ? row[states - 2] : 0.0));
      std::fill(back.begin(), back.end(), 0.0);
      std::fill(ahead.begin(), ahead.end(), 0.0);
      for (int64_t s = std::max<int64_t>(0, states - 2); s < states; ++s) back[s] = whole;
      for (int64_t t = lengths[n] - 1; t >= 0; --t, row -= width) {
        float* to = of_frames + (n * length + t) * columns;
        double largest = 0;
        for (int64_t s = 0; s < states; ++s) {
          to[spelling.at(s)] += (float)(row[s] * back[s]) * gradient[n];
          largest = std::max(largest, back[s]);
        }
        if (!(largest < MOST)) lost[n] = 1;
        if (t == 0) break;
        const double* share = shares + (n * length + t) * width;
        for (int64_t s = 0; s < states; ++s) ahead[s] = share[s] * back[s];
        for (int64_t s = 0; s < states; ++s) back[s] = ahead[s] + ahead[s + 1] + skip[s + 2] * ahead[s + 2];
      }
    }
  }
}
}
