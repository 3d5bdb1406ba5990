// Feeds arbitrary bytes to everything that parses a keyring. The first byte chooses:
//     'f'  the rest is a file as found on disk
//     'c'  the same, its checksum corrected, so that the fields behind it are reached
//     'b'  the rest is an opened body, which no outsider can reach, but a bug of ours could
//     'r'  the rest is a recovery key as typed
// What is accepted must write back to the same bytes (body), or open again to the same (file).
// Passphrases are left out: a slot may ask for seconds and gigabytes.
#include <cstdlib>

#include "../../src/crypto/keyring_format.h"
#include "../../src/crypto/recovery_key.h"
#include "../crypto/example_keyring.h"

using namespace reelfs;
using namespace reelfs::crypto;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

void try_file(Bytes file) {
    static_cast<void>(Keyring::peek(file));
    auto opened = Keyring::open(file, example_key_file());
    if (!opened.ok()) return;
    const auto again = Keyring::open(opened->encode().value(), example_key_file());
    must(again.ok() && again->store_id() == opened->store_id());
    must(again->zones() == opened->zones() && again->containers() == opened->containers());
}

void try_body(Bytes plain) {
    const auto body = format::read_body(plain);
    if (!body.ok()) return;
    std::vector<std::byte> written(format::body_size(*body));
    format::write_body(*body, written);
    must(written == copy_of(plain));
}

void try_recovery_key(std::string_view text) {
    const auto key = parse_recovery_key(text);
    if (!key.ok()) return;
    const auto again = parse_recovery_key(recovery_key_from(*key).text);
    must(again.ok() && equal_in_constant_time(again->view(), key->view()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Bytes rest = std::as_bytes(std::span(data, size)).subspan(1);
    switch (data[0]) {
        case 'f':
            try_file(rest);
            break;
        case 'c': {
            std::vector<std::byte> file = copy_of(rest);
            if (file.size() <= format::kChecksumBytes) break;
            format::write_checksum(file);
            try_file(file);
            break;
        }
        case 'b':
            try_body(rest);
            break;
        case 'r':
            try_recovery_key(text_of(rest));
            break;
        default:
            break;
    }
    return 0;
}
