#include "app/key_service.h"

#include "reelfs/base/log.h"

namespace reelfs::app {

namespace {

Json slots_of(const core::Volume& volume) {
    Json list = Json::array();
    std::size_t number = 0;
    for (const crypto::SlotKind kind : volume.key_slots()) {
        if (kind != crypto::SlotKind::kEmpty)
            list.push_back({{"slot", number}, {"kind", name_of(kind)}});
        ++number;
    }
    return list;
}

Answer change_slots(core::Volume& volume, const request::KeyChange& wanted) {
    core::KeySlotChange change;
    RF_TRY(change.proof, unlock_of(wanted.proof));
    if (wanted.add.kind != crypto::SlotKind::kEmpty) {
        RF_TRY(change.add, unlock_of(wanted.add));
    }
    if (wanted.remove) change.remove = static_cast<std::size_t>(*wanted.remove);
    change.remove_own = wanted.remove_own;
    RF_TRY(const auto added, volume.change_key_slots(change));
    log::info("the key slots were changed");
    Json answer = {{"slots", slots_of(volume)}};
    if (added) answer["added"] = *added;
    return answer;
}

}  // namespace

std::optional<Answer> answer_key(core::Volume& volume, const Request& request) {
    if (std::holds_alternative<request::KeyList>(request))
        return Answer(Json{{"slots", slots_of(volume)}});
    if (const auto* change = std::get_if<request::KeyChange>(&request))
        return change_slots(volume, *change);
    return std::nullopt;
}

}  // namespace reelfs::app
