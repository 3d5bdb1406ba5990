#include "http/query.h"

#include <algorithm>

#include "http/target.h"

namespace reelfs::http {

Result<std::optional<std::string>> query_value(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        RF_TRY(const std::string found, percent_decoded(pair.substr(0, equals)));
        if (found != name) continue;
        RF_TRY(std::string value, percent_decoded(pair.substr(std::min(equals + 1, pair.size()))));
        return std::optional<std::string>(std::move(value));
    }
    return std::optional<std::string>();
}

}  // namespace reelfs::http
