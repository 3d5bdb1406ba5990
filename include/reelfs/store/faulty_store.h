// A decorator that makes the n-th call of a kind fail, for Nth-failure loops.
#pragma once

#include <functional>
#include <memory>

#include "reelfs/store/extent_store.h"

namespace reelfs::store {

enum class StoreCall { kOpenPack, kPut, kRead, kSync, kFree, kRemove };

/// Asked before each call (settle counts as kSync; close_pack, set_aside, list, space and will_need
/// never fail); an Error it returns is the call's result. Thread-safe as the function
/// given is.
using FaultPlan = std::function<Result<void>(StoreCall)>;

/// Conforms to the contract around the faults: a failed sync is final for its pack, and so on.
std::unique_ptr<ExtentStore> make_faulty_store(std::unique_ptr<ExtentStore> inner, FaultPlan plan);

}  // namespace reelfs::store
