// Makes libsodium ready; idempotent, thread-safe, a few nanoseconds once done.
#pragma once

namespace reelfs::crypto {

void prepare_sodium();

}  // namespace reelfs::crypto
