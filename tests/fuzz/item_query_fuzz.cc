// The query of ListItems: what comes out is a folder that can be looked up and a page within the
// bounds, and a token made from it leads on from where it says.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/item_query.h"

using namespace reelfs;
using namespace reelfs::http;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::int64_t kNow = 1'795'382'053;
    const std::string_view query(reinterpret_cast<const char*>(data), size);
    const auto asked = parse_item_query("live", query, kNow);
    if (!asked.ok()) return 0;
    require(asked->max >= 1 && asked->max <= limits::items_page_max);
    std::string path;
    for (const std::string& name : asked->folder) {
        require(check_component(name).ok());
        path += "/" + name;
    }
    // A name of its own making, never empty, so that tokens of all lengths are read.
    const std::string name = "n" + std::string(query.substr(0, query.find('&')));
    const std::string token = next_item_token("live", asked->folder, name, kNow);
    std::string again = "NextToken=" + token + "&Path=";
    for (char c : path) {
        constexpr char kHex[] = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        again += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
    const auto next = parse_item_query("live", again, kNow);
    require(next.ok() && next->folder == asked->folder && next->after == name);
    require(!parse_item_query("other", again, kNow).ok());
    return 0;
}
