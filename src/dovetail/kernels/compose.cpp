// Composition of two automata: which pairs of states there are, and the arcs between them.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

struct Pair {
  int64_t first, second, alone;  // alone: whether the second went on by itself just now
};

// Numbers pairs as they come, by a table of open places.
class Pairs {
 public:
  explicit Pairs(int64_t states) : states_(states), table_(1024, -1) {}

  int64_t number(int64_t first, int64_t second, int64_t alone) {
    if (2 * found.size() >= table_.size()) grow();
    const uint64_t key = ((uint64_t)first * states_ + second) * 2 + alone;
    for (uint64_t at = place(key);; at = (at + 1) & (table_.size() - 1)) {
      if (table_[at] < 0) {
        table_[at] = found.size();
        found.push_back({first, second, alone});
        keys_.push_back(key);
        return table_[at];
      }
      if (keys_[table_[at]] == key) return table_[at];
    }
  }

  std::vector<Pair> found;

 private:
  uint64_t place(uint64_t key) const { return (key * 0x9E3779B97F4A7C15ull >> 20) & (table_.size() - 1); }

  void grow() {
    table_.assign(4 * table_.size(), -1);
    for (uint64_t i = 0; i < keys_.size(); ++i) {
      uint64_t at = place(keys_[i]);
      while (table_[at] >= 0) at = (at + 1) & (table_.size() - 1);
      table_[at] = i;
    }
  }

  int64_t states_;
  std::vector<int64_t> table_;
  std::vector<uint64_t> keys_;
};

struct Result {
  Pairs pairs;
  std::vector<int64_t> links;  // source, target, input, output, arcs of the first and the second (-1: none)
};

}  // namespace

extern "C" {

// Arcs lie by their source, of the second also by what they read; counts: pairs, links. Ends with compose_take.
void* compose_begin(const int64_t* begins, const int64_t* target, const int64_t* read, const int64_t* written,
                    int64_t states, const int64_t* other_begins, const int64_t* other_target, const int64_t* other_read,
                    const int64_t* other_written, const int64_t* starts, int64_t start_count,
                    const int64_t* other_starts, int64_t other_start_count, int64_t* counts) {
  auto* result = new Result{Pairs(states), {}};
  Pairs& pairs = result->pairs;
  for (int64_t i = 0; i < start_count; ++i)
    for (int64_t j = 0; j < other_start_count; ++j) pairs.number(starts[i], other_starts[j], 0);
  const auto link = [&](int64_t here, int64_t there, int64_t in, int64_t out, int64_t arc, int64_t other) {
    const int64_t values[6] = {here, there, in, out, arc, other};
    result->links.insert(result->links.end(), values, values + 6);
  };
  for (int64_t here = 0; here < (int64_t)pairs.found.size(); ++here) {
    const Pair pair = pairs.found[here];
    const int64_t* from = other_read + other_begins[pair.second];
    const int64_t* to = other_read + other_begins[pair.second + 1];
    for (int64_t arc = begins[pair.first]; arc < begins[pair.first + 1]; ++arc) {
      if (written[arc] < 0) {
        if (!pair.alone) link(here, pairs.number(target[arc], pair.second, 0), read[arc], -1, arc, -1);
        continue;
      }
      for (const int64_t* at = std::lower_bound(from, to, written[arc]); at < to && *at == written[arc]; ++at) {
        const int64_t other = at - other_read;
        link(here, pairs.number(target[arc], other_target[other], 0), read[arc], other_written[other], arc, other);
      }
    }
    for (const int64_t* at = from; at < to && *at < 0; ++at) {
      const int64_t other = at - other_read;
      link(here, pairs.number(pair.first, other_target[other], 1), -1, other_written[other], -1, other);
    }
  }
  counts[0] = pairs.found.size();
  counts[1] = result->links.size() / 6;
  return result;
}

void compose_take(void* handle, int64_t* pairs, int64_t* links) {
  auto* result = static_cast<Result*>(handle);
  for (const Pair& pair : result->pairs.found) *pairs++ = pair.first, *pairs++ = pair.second, *pairs++ = pair.alone;
  std::copy(result->links.begin(), result->links.end(), links);
  delete result;
}
}
