// Sums over the paths of automata of which each reads one example: eight arcs of one automaton side by side in the lanes.
//
// The automata lie one behind the other; their states are numbered so that arcs without input lead to higher numbers,
// and arcs lie by the state they lead to, those without input last. Rows and offsets as in shared.cpp.
#include <algorithm>
#include <cmath>
#include <vector>

#include "lanes.h"

namespace {

struct Graph {
  const int64_t* firsts;  // [automata + 1]: the first state of each
  const int64_t* begins;  // [states + 1]
  const int64_t* free;    // [states]: the first arc into each state that reads nothing
  const int32_t *source, *target, *label;  // [arcs], states counted from the automaton's first
  const float *weight, *start, *final;
};

// one automaton and the example it reads
struct One {
  const Graph& graph;
  int64_t first, states, arc, arcs, length, columns;
  const float* frames;

  One(const Graph& graph, int64_t which, const float* all, int64_t example, int64_t length, int64_t room, int64_t columns)
      : graph(graph), first(graph.firsts[which]), states(graph.firsts[which + 1] - first), arc(graph.begins[first]),
        arcs(graph.begins[first + states] - arc), length(length), columns(columns),
        frames(all + example * room * columns) {}

  int64_t begin(int64_t state) const { return graph.begins[first + state]; }
  int64_t free(int64_t state) const { return graph.free[first + state]; }
  int64_t end(int64_t state) const { return graph.begins[first + state + 1]; }

  // the ways that read frame t, less an offset; what arcs without input get is not looked at
  void read(int64_t t, float offset, const float* before, float* emissions, float* ways) const {
    const float* row = frames + t * columns;
    emissions[0] = 0.0f;
    for (int64_t c = 0; c < columns; ++c) emissions[c + 1] = bounded(row[c]) - offset;
    const int32_t *source = graph.source + arc, *label = graph.label + arc;
    const float* weight = graph.weight + arc;
#pragma omp simd
    for (int64_t i = 0; i < arcs; ++i) ways[i] = before[source[i]] + weight[i] + emissions[label[i] + 1];
  }

  // shares[i] = e^(ways[i] - levels[target[i]]); the array is longer by the lanes
  void share(const float* ways, const float* levels, float* shares) const {
    const int32_t* target = graph.target + arc;
#pragma omp simd
    for (int64_t i = 0; i < arcs; ++i) shares[i] = ways[i] - levels[target[i]];
    for (int64_t i = 0; i < arcs; i += LANES) store(shares + i, exponential(load(shares + i)));
  }
};

inline float added(float a, float b) {
  const float most = std::max(a, b), least = std::min(a, b);
  return most + logarithm(1.0f + exponential(least - most));
}

// Room for what a thread works on; arrays are longer by the lanes.
struct Room {
  std::vector<float> emissions, ways, shares, sums, most;

  void fit(const One& one) {
    emissions.resize(one.columns + 1);
    ways.resize(one.arcs + LANES);
    shares.resize(one.arcs + LANES);
    sums.resize(one.states + LANES);
    most.resize(one.states + LANES);
  }
};

void free_ways(const One& one, float* row) {
  for (int64_t state = 0; state < one.states; ++state)
    for (int64_t i = one.free(state); i < one.end(state); ++i)
      row[state] = added(row[state], row[one.graph.source[i]] + one.graph.weight[i]);
}

// the row behind a frame
void fill(const One& one, int64_t t, float offset, const float* before, float* row, Room& room) {
  one.read(t, offset, before, room.emissions.data(), room.ways.data());
  const float* ways = room.ways.data() - one.arc;
  for (int64_t state = 0; state < one.states; ++state) {
    float most = NOTHING;
    const int64_t begin = one.begin(state), end = one.free(state);
    if (begin < end) most = ways[begin];
    for (int64_t i = begin + 1; i < end; ++i) most = std::max(most, ways[i]);
    room.most[state] = most;
  }
  one.share(room.ways.data(), room.most.data(), room.shares.data());
  const float* shares = room.shares.data() - one.arc;
  for (int64_t state = 0; state < one.states; ++state) {
    float sum = one.begin(state) < one.free(state) ? 0.0f : 1.0f;
    for (int64_t i = one.begin(state); i < one.free(state); ++i) sum += shares[i];
    room.sums[state] = sum;
  }
  for (int64_t state = 0; state < one.states; state += LANES)
    store(room.sums.data() + state, load(room.most.data() + state) + logarithm(load(room.sums.data() + state)));
  std::copy_n(room.sums.data(), one.states, row);
  free_ways(one, row);
}

float largest(const float* row, int64_t states) {
  float most = NOTHING;
  for (int64_t state = 0; state < states; ++state) most = std::max(most, row[state]);
  return most > SCARCE ? most : 0.0f;
}

}  // namespace

extern "C" {

// totals[n] of automaton of[n] reading example n; rows[at[n] ..] has (lengths[n] + 1) rows of its states,
// offsets [examples, room + 1], relative [examples]
void each_forward(const int64_t* firsts, const int64_t* begins, const int64_t* free, const int32_t* source,
                  const int32_t* target, const int32_t* label, const float* weight, const float* start,
                  const float* final, const int64_t* of, const float* frames, const int64_t* lengths, int64_t examples,
                  int64_t room, int64_t columns, const int64_t* at, float* rows, float* offsets, float* relative,
                  double* totals) {
  const Graph graph = {firsts, begins, free, source, target, label, weight, start, final};
#pragma omp parallel
  {
    Room scratch;
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < examples; ++n) {
      const One one(graph, of[n], frames, n, lengths[n], room, columns);
      scratch.fit(one);
      float* row = rows + at[n];
      std::copy_n(start + one.first, one.states, row);
      free_ways(one, row);
      double sum = 0;
      for (int64_t t = 1; t <= one.length; ++t, row += one.states) {
        const float offset = largest(row, one.states);
        offsets[n * (room + 1) + t] = offset;
        sum += offset;
        fill(one, t - 1, offset, row, row + one.states, scratch);
      }
      float most = NOTHING, total = 0;
      for (int64_t state = 0; state < one.states; ++state) most = std::max(most, row[state] + final[one.first + state]);
      for (int64_t state = 0; state < one.states; ++state)
        total += exponential(row[state] + final[one.first + state] - most);
      relative[n] = one.states ? most + logarithm(total) : NOTHING;
      totals[n] = relative[n] > SCARCE ? relative[n] + sum : -INFINITY;
    }
  }
}

// of_frames [examples, room, columns], zero at first; of_weight, of_start, of_final for each example behind each other,
// from number arc_at[n] and state_at[n] on, zero at first
void each_backward(const int64_t* firsts, const int64_t* begins, const int64_t* free, const int32_t* source,
                   const int32_t* target, const int32_t* label, const float* weight, const float* start,
                   const float* final, const int64_t* of, const float* frames, const int64_t* lengths, int64_t examples,
                   int64_t room, int64_t columns, const int64_t* at, const float* rows, const float* offsets,
                   const float* relative, const float* gradient, const int64_t* arc_at, const int64_t* state_at,
                   float* of_frames, float* of_weight, float* of_start, float* of_final) {
  const Graph graph = {firsts, begins, free, source, target, label, weight, start, final};
#pragma omp parallel
  {
    Room scratch;
    std::vector<float> current, before;
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < examples; ++n) {
      const One one(graph, of[n], frames, n, lengths[n], room, columns);
      if (relative[n] <= SCARCE || gradient[n] == 0.0f) continue;
      scratch.fit(one);
      const float* row = rows + at[n] + one.length * one.states;
      float *weights = of_weight + arc_at[n] - one.arc, *finals = of_final + state_at[n];
      current.assign(one.states, 0.0f);
      for (int64_t state = 0; state < one.states; ++state)
        current[state] = finals[state] = exponential(row[state] + final[one.first + state] - relative[n]) * gradient[n];
      for (int64_t t = one.length;; --t, row -= one.states) {
        for (int64_t state = one.states - 1; state >= 0; --state)
          for (int64_t i = one.free(state); i < one.end(state); ++i) {
            if (current[state] == 0.0f) break;
            const float share = exponential(row[source[i]] + weight[i] - row[state]) * current[state];
            current[source[i]] += share;
            weights[i] += share;
          }
        if (t == 0) break;
        one.read(t - 1, offsets[n * (room + 1) + t], row - one.states, scratch.emissions.data(), scratch.ways.data());
        one.share(scratch.ways.data(), row, scratch.shares.data());
        const float* shares = scratch.shares.data() - one.arc;
        before.assign(one.states, 0.0f);
        float* by_label = of_frames + (n * room + t - 1) * columns;
        for (int64_t state = 0; state < one.states; ++state) {
          if (current[state] == 0.0f) continue;
          for (int64_t i = one.begin(state); i < one.free(state); ++i) {
            const float share = shares[i] * current[state];
            before[source[i]] += share;
            by_label[label[i]] += share;
            weights[i] += share;
          }
        }
        current.swap(before);
      }
      for (int64_t state = 0; state < one.states; ++state)
        if (current[state] != 0.0f)
          of_start[state_at[n] + state] = exponential(start[one.first + state] - row[state]) * current[state];
    }
  }
}

// the best path of each example; see shared_best
void each_best(const int64_t* firsts, const int64_t* begins, const int64_t* free, const int32_t* source,
               const int32_t* target, const int32_t* label, const float* weight, const float* start, const float* final,
               const int64_t* of, const float* frames, const int64_t* lengths, int64_t examples, int64_t room,
               int64_t columns, int64_t capacity, int32_t* path, int64_t* counts) {
  const Graph graph = {firsts, begins, free, source, target, label, weight, start, final};
#pragma omp parallel
  {
    Room scratch;
    std::vector<float> row, before;
    std::vector<int32_t> chosen;
#pragma omp for schedule(dynamic)
    for (int64_t n = 0; n < examples; ++n) {
      const One one(graph, of[n], frames, n, lengths[n], room, columns);
      scratch.fit(one);
      row.assign(start + one.first, start + one.first + one.states);
      before.resize(one.states);
      chosen.assign((one.length + 1) * one.states, -1);
      for (int64_t t = 0; t <= one.length; ++t) {
        int32_t* choice = chosen.data() + t * one.states;
        if (t) {
          row.swap(before);
          one.read(t - 1, largest(before.data(), one.states), before.data(), scratch.emissions.data(),
                   scratch.ways.data());
        }
        const float* ways = scratch.ways.data() - one.arc;
        for (int64_t state = 0; state < one.states; ++state) {
          float best = t ? 2 * NOTHING : row[state];
          for (int64_t i = t ? one.begin(state) : one.free(state); i < one.end(state); ++i) {
            const float way = i < one.free(state) ? ways[i] : row[source[i]] + weight[i];
            if (way > best) best = way, choice[state] = i;
          }
          row[state] = best;
        }
      }
      int64_t at = -1, count = 0;
      float best = SCARCE;
      for (int64_t state = 0; state < one.states; ++state)
        if (row[state] + final[one.first + state] > best) best = row[state] + final[one.first + state], at = state;
      int32_t* own = path + n * capacity;
      for (int64_t t = one.length, state = at; state >= 0;) {
        const int32_t arc = chosen[t * one.states + state];
        if (arc < 0) break;
        own[count++] = arc;
        t -= label[arc] >= 0;
        state = source[arc];
      }
      std::reverse(own, own + count);
      counts[n] = at < 0 ? -1 : count;
    }
  }
}
}
