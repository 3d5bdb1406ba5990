#include "store/write_ledger.h"

#include <algorithm>

#include "store/layout.h"

namespace reelfs::store {

std::uint64_t WriteLedger::reserve(std::uint64_t length) {
    const std::uint64_t offset = align_up(end_);
    end_ = offset + length;
    in_flight_.insert(offset);
    return offset;
}

void WriteLedger::returned(std::uint64_t offset) {
    in_flight_.erase(offset);
    ++puts_returned_;
}

void WriteLedger::abandoned(std::uint64_t offset) {
    in_flight_.erase(offset);
}

void WriteLedger::given_back(std::uint64_t offset, std::uint64_t length) {
    in_flight_.erase(offset);
    // No mark can lie beyond `offset`: this write was in flight until now.
    if (offset + length == end_) end_ = offset;
}

void WriteLedger::synced(const Mark& mark) {
    durable_end_ = std::max(durable_end_, mark.returned_end);
    puts_synced_ = std::max(puts_synced_, mark.puts);
}

}  // namespace reelfs::store
