#include "http/item_query.h"

#include "http/page_token.h"
#include "http/query.h"
#include "http/target.h"
#include "http/text.h"

namespace reelfs::http {

namespace {

/// What a token is bound to.
std::string bound_to(std::string_view container, const Components& folder) {
    return std::string(container) + path_text(folder);
}

}  // namespace

Result<ItemQuery> parse_item_query(std::string_view container, std::string_view query,
                                   std::int64_t now_seconds) {
    ItemQuery asked;
    RF_TRY(const auto path, query_value(query, "Path"));
    RF_TRY(asked.folder, split_path(path.value_or("")));
    RF_TRY(const auto max, query_value(query, "MaxResults"));
    if (max) {
        const auto number = parse_decimal(*max);
        if (!number || *number < 1 || *number > limits::items_page_max)
            return Error(Errc::kInvalid, "MaxResults is a number from 1 to 1000");
        asked.max = static_cast<std::size_t>(*number);
    }
    RF_TRY(const auto token, query_value(query, "NextToken"));
    if (token) {
        RF_TRY(asked.after,
               read_page_token(*token, bound_to(container, asked.folder), now_seconds));
    }
    return asked;
}

std::string next_item_token(std::string_view container, const Components& folder,
                            std::string_view last, std::int64_t now_seconds) {
    return make_page_token(bound_to(container, folder), last, now_seconds);
}

}  // namespace reelfs::http
