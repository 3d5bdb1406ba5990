// A CORS policy and a request judged by it, separated by NUL: document, origin, method, headers.
// What is granted can be sent, and is what was asked for.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "reelfs/policy/cors.h"

using namespace reelfs;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

bool can_be_sent(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    std::array<std::string_view, 3> parts;
    for (std::string_view& part : parts) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        part = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const auto rules = policy::parse_cors(parts[0]);
    if (!rules.ok()) {
        require(!rules.error().message().empty());
        return 0;
    }
    require(!rules->empty() && rules->size() <= 100);
    CorsRequest request{parts[1], parts[2], {}};
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(','), rest.size());
        request.headers.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const auto grant = policy::decide_cors(*rules, request);
    if (!grant) return 0;
    require(grant->any_origin() || grant->origin == request.origin);
    require(grant->methods.find(request.method) != std::string::npos);
    for (const std::string* value :
         {&grant->origin, &grant->methods, &grant->headers, &grant->exposed})
        require(can_be_sent(*value));
    return 0;
}
