// Sums over the paths of one automaton that reads many examples: eight examples side by side in the lanes.
//
// States are numbered so that arcs without input lead to higher numbers; arcs lie by the state they lead to. A row holds
// the scores of all ways to each state, minus an offset in double precision for each example, so that rows stay near 0:
// the largest score of a row is taken off the emissions of the next frame. Gradients go back by shares, exp(way - row) <= 1.
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "lanes.h"

namespace {

struct Graph {
  int64_t states, arcs;
  const int64_t* begins;  // [states + 1]
  const int32_t* source;  // [arcs]
  const int32_t* label;   // [arcs], -1 where nothing is read
  const float *weight, *start, *final;
};

// one block of examples: where its frames are, and how many there are of each
struct Block {
  const float* frames;
  int64_t length, columns, count;  // of all frames; examples in the block
  int64_t lengths[LANES], longest;

  Block(const float* all, const int64_t* all_lengths, int64_t examples, int64_t length, int64_t columns, int64_t block)
      : frames(all + block * LANES * length * columns), length(length), columns(columns), longest(0) {
    count = examples - block * LANES < LANES ? examples - block * LANES : LANES;
    for (int lane = 0; lane < LANES; ++lane) {
      lengths[lane] = lane < count ? all_lengths[block * LANES + lane] : -1;
      if (lengths[lane] > longest) longest = lengths[lane];
    }
  }

  // the emissions of frame t, an example a lane, less an offset
  void read(int64_t t, Lanes offset, float* emissions) const {
    for (int lane = 0; lane < LANES; ++lane) {
      const float* row = frames + (lane * length + t) * columns;
      const bool there = t < lengths[lane];
      for (int64_t c = 0; c < columns; ++c) emissions[c * LANES + lane] = there ? bounded(row[c]) : 0.0f;
    }
    for (int64_t c = 0; c < columns; ++c) store(emissions + c * LANES, load(emissions + c * LANES) - offset);
  }

  Whole ends_at(int64_t t) const {
    Whole found = {};
    for (int lane = 0; lane < LANES; ++lane) found[lane] = lengths[lane] == t ? -1 : 0;
    return found;
  }
};

inline Lanes way(const Graph& graph, int64_t arc, const float* before, const float* row, const float* emissions) {
  const int32_t label = graph.label[arc];
  const Lanes weight = spread(graph.weight[arc]);
  if (label < 0) return load(row + graph.source[arc] * LANES) + weight;
  return load(before + graph.source[arc] * LANES) + weight + load(emissions + label * LANES);
}

// the first arc of a state that reads nothing, which come last
inline int64_t first_free(const Graph& graph, int64_t state) {
  int64_t arc = graph.begins[state + 1];
  while (arc > graph.begins[state] && graph.label[arc - 1] < 0) --arc;
  return arc;
}

// the row of frame t from the one before, and its largest scores; the first row has no arcs that read
Lanes fill(const Graph& graph, int64_t t, const float* before, float* row, const float* emissions, float* ways) {
  Lanes largest = spread(NOTHING);
  for (int64_t state = 0; state < graph.states; ++state) {
    const int64_t begin = t ? graph.begins[state] : first_free(graph, state), end = graph.begins[state + 1];
    int64_t count = 0;
    Lanes most = spread(NOTHING);
    if (t == 0) {
      most = spread(graph.start[state]);
      store(ways, most);
      count = 1;
    }
    for (int64_t arc = begin; arc < end; ++arc, ++count) {
      const Lanes one = way(graph, arc, before, row, emissions);
      store(ways + count * LANES, one);
      most = count ? larger(most, one) : one;
    }
    if (count > 1) {
      Lanes sum = {};
      for (int64_t i = 0; i < count; ++i) sum += exponential(load(ways + i * LANES) - most);
      most += logarithm(sum);
    }
    store(row + state * LANES, most);
    largest = larger(most, largest);
  }
  return largest;
}

// what is taken off the next row: the largest scores of this one, or 0 where there is nothing
inline Lanes offset_by(Lanes largest) { return choose(largest > SCARCE, largest, Lanes{}); }

Lanes summed(const Graph& graph, const float* row) {
  Lanes most = spread(NOTHING), sum = {};
  for (int64_t state = 0; state < graph.states; ++state)
    most = larger(most, load(row + state * LANES) + graph.final[state]);
  for (int64_t state = 0; state < graph.states; ++state)
    sum += exponential(load(row + state * LANES) + graph.final[state] - most);
  return most + logarithm(sum);
}

int64_t most_arcs(const Graph& graph) {
  int64_t most = 0;
  for (int64_t state = 0; state < graph.states; ++state) {
    const int64_t count = graph.begins[state + 1] - graph.begins[state];
    if (count > most) most = count;
  }
  return most + 1;
}

// Best paths of a block. What is remembered of each state and frame is which of its arcs is best, counted from one, in as
// few bytes as will do: what does not fit the caches takes longer to write than to find.
template <typename Choice>
void best_of_block(const Graph& graph, const Block& block, int64_t capacity, int32_t* path, int64_t* counts) {
  typedef Choice Choices __attribute__((vector_size(LANES * sizeof(Choice))));
  typedef Choice LooseChoices __attribute__((vector_size(LANES * sizeof(Choice)), aligned(1), may_alias));
  const int64_t states = graph.states, size = states * LANES;
  std::vector<float> emissions(block.columns * LANES + 1), row(size), before(size);
  const std::unique_ptr<Choice[]> chosen(new Choice[(block.longest + 1) * size]);
  Lanes largest = {};
  for (int64_t t = 0; t <= block.longest; ++t) {
    if (t) {
      row.swap(before);
      block.read(t - 1, offset_by(largest), emissions.data());
    }
    Choice* choice = chosen.get() + t * size;
    largest = spread(NOTHING);
    for (int64_t state = 0; state < states; ++state) {
      const int64_t first = graph.begins[state], begin = t ? first : first_free(graph, state);
      Lanes best = spread(t ? 2 * NOTHING : graph.start[state]);
      Whole by = {};
      for (int64_t arc = begin; arc < graph.begins[state + 1]; ++arc) {
        const Lanes one = way(graph, arc, before.data(), row.data(), emissions.data());
        const Whole better = one > best;
        best = choose(better, one, best);
        by = better ? Whole{} + (int32_t)(arc - first + 1) : by;
      }
      store(row.data() + state * LANES, best);
      *reinterpret_cast<LooseChoices*>(choice + state * LANES) = __builtin_convertvector(by, Choices);
      largest = larger(best, largest);
    }
    for (int lane = 0; lane < block.count; ++lane) {
      if (block.lengths[lane] != t) continue;
      int64_t at = -1;
      float best = SCARCE;
      for (int64_t state = 0; state < states; ++state) {
        const float score = row[state * LANES + lane] + graph.final[state];
        if (score > best) best = score, at = state;
      }
      int32_t* own = path + lane * capacity;
      int64_t count = at < 0 ? -1 : 0;
      for (int64_t frame = t; at >= 0;) {
        const int64_t which = chosen[(frame * states + at) * LANES + lane];
        if (which == 0) break;
        const int64_t arc = graph.begins[at] + which - 1;
        own[count++] = arc;
        frame -= graph.label[arc] >= 0;
        at = graph.source[arc];
      }
      if (count > 0) std::reverse(own, own + count);
      counts[lane] = count;
    }
  }
}

void add_up(const float* lanes, int64_t count, float* sums) {
  for (int64_t i = 0; i < count; ++i) {
    float sum = 0;
    for (int lane = 0; lane < LANES; ++lane) sum += lanes[i * LANES + lane];
    sums[i] = sum;
  }
}

}  // namespace

extern "C" {

// totals[n]; rows [blocks, length + 1, states, lanes], offsets [blocks, length + 1, lanes] and relative totals
// [blocks, lanes] for the way back
void shared_forward(int64_t states, int64_t arcs, const int64_t* begins, const int32_t* source, const int32_t* label,
                    const float* weight, const float* start, const float* final, const float* frames,
                    const int64_t* lengths, int64_t examples, int64_t length, int64_t columns, float* rows,
                    float* offsets, float* relative, double* totals) {
  const Graph graph = {states, arcs, begins, source, label, weight, start, final};
  const int64_t blocks = (examples + LANES - 1) / LANES, size = states * LANES, most = most_arcs(graph);
#pragma omp parallel for schedule(dynamic)
  for (int64_t b = 0; b < blocks; ++b) {
    const Block block(frames, lengths, examples, length, columns, b);
    std::vector<float> emissions(columns * LANES + 1), ways(most * LANES);
    float* own = rows + b * (length + 1) * size;
    double sum_of_offsets[LANES] = {};
    Lanes largest = {};
    for (int64_t t = 0; t <= block.longest; ++t) {
      float* row = own + t * size;
      Lanes offset = {};
      if (t) {
        offset = offset_by(largest);
        block.read(t - 1, offset, emissions.data());
      }
      store(offsets + (b * (length + 1) + t) * LANES, offset);
      for (int lane = 0; lane < LANES; ++lane) sum_of_offsets[lane] += offset[lane];
      largest = fill(graph, t, row - size, row, emissions.data(), ways.data());
      const Whole ends = block.ends_at(t);
      if (!any(ends)) continue;
      const Lanes total = summed(graph, row);
      for (int lane = 0; lane < LANES; ++lane) {
        if (!ends[lane]) continue;
        relative[b * LANES + lane] = total[lane];
        totals[b * LANES + lane] = total[lane] > SCARCE ? total[lane] + sum_of_offsets[lane] : -INFINITY;
      }
    }
  }
}

// of_frames [examples, length, columns], zero at first; of_weight, of_start and of_final [blocks, ...]
void shared_backward(int64_t states, int64_t arcs, const int64_t* begins, const int32_t* source, const int32_t* label,
                     const float* weight, const float* start, const float* final, const float* frames,
                     const int64_t* lengths, int64_t examples, int64_t length, int64_t columns, const float* rows,
                     const float* offsets, const float* relative, const float* gradient, float* of_frames,
                     float* of_weight, float* of_start, float* of_final) {
  const Graph graph = {states, arcs, begins, source, label, weight, start, final};
  const int64_t blocks = (examples + LANES - 1) / LANES, size = states * LANES;
#pragma omp parallel for schedule(dynamic)
  for (int64_t b = 0; b < blocks; ++b) {
    const Block block(frames, lengths, examples, length, columns, b);
    std::vector<float> emissions(columns * LANES + 1), of_emissions(columns * LANES + 1), current(size), before(size);
    std::vector<float> weights(arcs * LANES), finals(size);
    const float* own = rows + b * (length + 1) * size;
    const Lanes total = load(relative + b * LANES);
    Lanes given = {};
    for (int lane = 0; lane < block.count; ++lane) given[lane] = gradient[b * LANES + lane];
    for (int64_t t = block.longest; t >= 0; --t) {
      const float* row = own + t * size;
      const Whole ends = block.ends_at(t) & (total > SCARCE);
      if (any(ends)) {
        for (int64_t state = 0; state < states; ++state) {
          const Lanes share = exponential(load(row + state * LANES) + graph.final[state] - total) * given;
          const Lanes reached = choose(ends, share, Lanes{});
          store(current.data() + state * LANES, load(current.data() + state * LANES) + reached);
          store(finals.data() + state * LANES, load(finals.data() + state * LANES) + reached);
        }
      }
      if (t) {
        block.read(t - 1, load(offsets + (b * (length + 1) + t) * LANES), emissions.data());
        std::fill(of_emissions.begin(), of_emissions.end(), 0.0f);
        std::fill(before.begin(), before.end(), 0.0f);
      }
      for (int64_t state = states - 1; state >= 0; --state) {
        const Lanes slope = load(current.data() + state * LANES);
        const Whole alive = slope != 0.0f;
        if (!any(alive)) continue;
        const Lanes here = load(row + state * LANES);
        const int64_t end = begins[state + 1], begin = t ? begins[state] : first_free(graph, state);
        const bool alone = t && end - begin == 1;
        for (int64_t arc = end - 1; arc >= begin; --arc) {
          Lanes share = slope;
          if (!alone) {
            share = exponential(way(graph, arc, row - size, row, emissions.data()) - here) * slope;
            share = choose(alive, share, Lanes{});  // what is not a number beyond an example's end stays there
          }
          float* to = (label[arc] < 0 ? current.data() : before.data()) + source[arc] * LANES;
          store(to, load(to) + share);
          float* by_arc = weights.data() + arc * LANES;
          store(by_arc, load(by_arc) + share);
          if (label[arc] >= 0) {
            float* by_label = of_emissions.data() + label[arc] * LANES;
            store(by_label, load(by_label) + share);
          }
        }
        if (t == 0) {
          const Lanes share = exponential(spread(start[state]) - here) * slope;
          float sum = 0;
          for (int lane = 0; lane < LANES; ++lane) sum += alive[lane] ? share[lane] : 0.0f;
          of_start[b * states + state] = sum;
        }
      }
      if (t) {
        for (int lane = 0; lane < block.count; ++lane) {
          if (t > block.lengths[lane]) continue;
          float* to = of_frames + ((b * LANES + lane) * length + t - 1) * columns;
          for (int64_t c = 0; c < columns; ++c) to[c] = of_emissions[c * LANES + lane];
        }
        current.swap(before);
      }
    }
    add_up(weights.data(), arcs, of_weight + b * arcs);
    add_up(finals.data(), states, of_final + b * states);
  }
}

// The best path of each example: its arcs, `capacity` at most, of which there are counts[n]; -1 where no path reads the
// example. Of arcs alike the first.
void shared_best(int64_t states, int64_t arcs, const int64_t* begins, const int32_t* source, const int32_t* label,
                 const float* weight, const float* start, const float* final, const float* frames,
                 const int64_t* lengths, int64_t examples, int64_t length, int64_t columns, int64_t capacity,
                 int32_t* path, int64_t* counts) {
  const Graph graph = {states, arcs, begins, source, label, weight, start, final};
  const int64_t blocks = (examples + LANES - 1) / LANES;
  const auto best = most_arcs(graph) <= UINT8_MAX ? best_of_block<uint8_t> : best_of_block<uint32_t>;
#pragma omp parallel for schedule(dynamic)
  for (int64_t b = 0; b < blocks; ++b) {
    const Block block(frames, lengths, examples, length, columns, b);
    best(graph, block, capacity, path + b * LANES * capacity, counts + b * LANES);
  }
}
}
