// Sums and best paths of linear chains: every label may follow every other, each pair with its score.
//
// Probabilities are scaled frame by frame, which needs no exponential but those of the emissions; the largest transition
// and the largest emission of a frame count as 1. Where that loses what could have mattered (a frame whose sum is next
// to nothing, a way back that is next to infinite) `lost` of the example is set, and its figures are not to be used.
#include <algorithm>
#include <cmath>
#include <vector>

#include "lanes.h"

namespace {

constexpr float LEAST = 1e-15f, MOST = 1e25f;
constexpr int64_t PARTS = 16;  // sums over examples are made in so many parts, whatever the number of threads
constexpr int WIDE = 4;        // lanes' widths that are summed at a time

// the scores of a frame as shares of the largest, padded with zeros
float shares(const float* scores, int64_t labels, int64_t padded, float* to) {
  float most = NOTHING;
  for (int64_t c = 0; c < labels; ++c) most = std::max(most, bounded(scores[c]));
  for (int64_t c = 0; c < padded; ++c) to[c] = c < labels ? bounded(scores[c]) - most : NOTHING;
  for (int64_t c = 0; c < padded; c += LANES) store(to + c, exponential(load(to + c)));
  return most;
}

// to[j] = sum over i of from[i] matrix[i, j]
void multiply(const float* from, const float* matrix, int64_t labels, int64_t padded, float* to) {
  int64_t j = 0;
  for (; j + WIDE * LANES <= padded; j += WIDE * LANES) {
    Lanes sums[WIDE] = {};
    for (int64_t i = 0; i < labels; ++i)
      for (int w = 0; w < WIDE; ++w) sums[w] += from[i] * load(matrix + i * padded + j + w * LANES);
    for (int w = 0; w < WIDE; ++w) store(to + j + w * LANES, sums[w]);
  }
  for (; j < padded; j += LANES) {
    Lanes sums[2] = {};
    int64_t i = 0;
    for (; i + 1 < labels; i += 2)
      for (int w = 0; w < 2; ++w) sums[w] += from[i + w] * load(matrix + (i + w) * padded + j);
    if (i < labels) sums[0] += from[i] * load(matrix + i * padded + j);
    store(to + j, sums[0] + sums[1]);
  }
}

inline float dot(const float* a, const float* b, int64_t padded) {
  Lanes sum = {};
  for (int64_t c = 0; c < padded; c += LANES) sum += load(a + c) * load(b + c);
  float total = 0;
  for (int lane = 0; lane < LANES; ++lane) total += sum[lane];
  return total;
}

struct Chain {
  int64_t labels, padded;
  const float *matrix, *turned;  // shares of transitions [labels, padded], and with the axes exchanged
  float most;                    // the largest transition
};

}  // namespace

extern "C" {

// totals[n]; kept for the way back: rows [examples, length, padded], which sum to 1, emissions as shares of the same
// shape, and the sums [examples, length] that rows were divided by
void chain_forward(int64_t labels, int64_t padded, const float* matrix, const float* most, const float* start,
                   const float* final, const float* frames, const int64_t* lengths, int64_t examples, int64_t length,
                   float* rows, float* emissions, float* scales, double* totals, int32_t* lost) {
#pragma omp parallel for schedule(dynamic)
  for (int64_t n = 0; n < examples; ++n) {
    std::vector<float> begin(padded), end(padded);
    const float first = shares(start, labels, padded, begin.data()), last = shares(final, labels, padded, end.data());
    double total = (double)first + last;
    float* row = rows + n * length * padded;
    lost[n] = 0;
    for (int64_t t = 0; t < lengths[n]; ++t) {
      float* row_t = row + t * padded;
      float* share = emissions + (n * length + t) * padded;
      total += shares(frames + (n * length + t) * labels, labels, padded, share) + (t ? *most : 0.0f);
      if (t) multiply(row_t - padded, matrix, labels, padded, row_t);
      const float* before = t ? row_t : begin.data();
      Lanes sum = {};
      for (int64_t c = 0; c < padded; c += LANES) {
        const Lanes one = load(before + c) * load(share + c);
        sum += one;
        store(row_t + c, one);
      }
      float scale = 0;
      for (int lane = 0; lane < LANES; ++lane) scale += sum[lane];
      if (!(scale > LEAST)) lost[n] = 1;
      scales[n * length + t] = scale;
      total += std::log((double)scale);
      for (int64_t c = 0; c < padded; c += LANES) store(row_t + c, load(row_t + c) * (1.0f / scale));
    }
    if (lengths[n]) {
      const float sum = dot(row + (lengths[n] - 1) * padded, end.data(), padded);
      if (!(sum > LEAST)) lost[n] = 1;
      total += std::log((double)sum);
    } else {
      lost[n] = 1;
    }
    totals[n] = total;
  }
}

// of_frames [examples, length, labels], zero at first; of_matrix [parts, labels, padded], of_start and of_final
// [parts, labels]; in the matrix's shares, to be multiplied by them
void chain_backward(int64_t labels, int64_t padded, const float* turned, const float* final, const int64_t* lengths,
                    int64_t examples, int64_t length, const float* rows, const float* emissions, const float* scales,
                    const float* gradient, float* of_frames, float* of_matrix, float* of_start, float* of_final,
                    int32_t* lost) {
#pragma omp parallel for schedule(dynamic)
  for (int64_t part = 0; part < PARTS; ++part) {
    std::vector<float> back(padded), ahead(padded), end(padded);
    shares(final, labels, padded, end.data());
    float* sums = of_matrix + part * labels * padded;
    for (int64_t n = part * examples / PARTS; n < (part + 1) * examples / PARTS; ++n) {
      if (lost[n] || !lengths[n] || gradient[n] == 0.0f) continue;
      const float* row = rows + (n * length + lengths[n] - 1) * padded;
      const float whole = 1.0f / dot(row, end.data(), padded);
      for (int64_t c = 0; c < padded; ++c) back[c] = end[c] * whole;
      for (int64_t t = lengths[n] - 1; t >= 0; --t, row -= padded) {
        float largest = 0;
        float* to = of_frames + (n * length + t) * labels;
        for (int64_t c = 0; c < labels; ++c) {
          largest = std::max(largest, back[c]);
          to[c] = row[c] * back[c] * gradient[n];
          if (t == lengths[n] - 1) of_final[part * labels + c] += to[c];
          if (t == 0) of_start[part * labels + c] += to[c];
        }
        if (!(largest < MOST)) lost[n] = 1;
        if (t == 0) break;
        const float* share = emissions + (n * length + t) * padded;
        const float scale = 1.0f / scales[n * length + t];
        for (int64_t c = 0; c < padded; c += LANES) store(ahead.data() + c, load(share + c) * load(back.data() + c) * scale);
        for (int64_t i = 0; i < labels; ++i) {
          const float weight = (row - padded)[i] * gradient[n];
          if (weight == 0.0f) continue;
          float* line = sums + i * padded;
          for (int64_t c = 0; c < padded; c += LANES) store(line + c, load(line + c) + weight * load(ahead.data() + c));
        }
        multiply(ahead.data(), turned, labels, padded, back.data());
      }
    }
  }
}

// the best labels of each example [examples, length], and their score; of scores alike the first label
void chain_best(int64_t labels, int64_t padded, const float* turned, const float* start, const float* final,
                const float* frames, const int64_t* lengths, int64_t examples, int64_t length, int64_t* path,
                float* scores) {
#pragma omp parallel for schedule(dynamic)
  for (int64_t n = 0; n < examples; ++n) {
    std::vector<float> row(padded, NOTHING), next(padded, NOTHING);
    std::vector<int32_t> chosen(lengths[n] * labels + 1);
    double moved = 0;  // rows are kept near 0
    for (int64_t t = 0; t < lengths[n]; ++t) {
      const float* frame = frames + (n * length + t) * labels;
      float most = 2 * NOTHING;
      for (int64_t j = 0; j < labels; ++j) {
        if (t == 0) {
          next[j] = start[j] + bounded(frame[j]);
        } else {
          const float* into = turned + j * padded;  // the scores of what may come before
          Lanes best = spread(4 * NOTHING);
          Whole by = {}, number = {0, 1, 2, 3, 4, 5, 6, 7};
          for (int64_t i = 0; i < padded; i += LANES, number += LANES) {
            const Lanes way = load(row.data() + i) + load(into + i);
            const Whole better = way > best;
            best = better ? way : best;
            by = better ? number : by;
          }
          int lane = 0;
          for (int other = 1; other < LANES; ++other)
            if (best[other] > best[lane] || (best[other] == best[lane] && by[other] < by[lane])) lane = other;
          next[j] = best[lane] + bounded(frame[j]);
          chosen[t * labels + j] = by[lane];
        }
        most = std::max(most, next[j]);
      }
      if (!(most > SCARCE)) most = 0;
      for (int64_t j = 0; j < labels; ++j) row[j] = next[j] - most;
      moved += most;
    }
    int64_t at = 0;
    for (int64_t j = 1; j < labels; ++j)
      if (row[j] + final[j] > row[at] + final[at]) at = j;
    scores[n] = lengths[n] && row[at] + final[at] > SCARCE ? row[at] + final[at] + moved : -INFINITY;
    for (int64_t t = lengths[n] - 1; t >= 0; --t) {
      path[n * length + t] = at;
      at = chosen[t * labels + at];
    }
  }
}
}
