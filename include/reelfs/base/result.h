// Result<T>: a value or an Error (C++20 has no std::expected). Values are moved out; nothing
// throws.
//
//     Result<Size> length = file.size();
//     if (!length) return std::move(length).error().with("measure pack");
//     RF_TRY(auto header, read_header(file));   // returns the error to the caller, or defines
//     header RF_CHECK(file.sync());                    // the same for Result<void>
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "reelfs/base/error.h"

namespace reelfs {

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value)
        : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    T value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const& { return std::get<1>(state_); }
    Error&& error() && { return std::get<1>(std::move(state_)); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    void value() const {}

    const Error& error() const& { return *error_; }
    Error&& error() && { return *std::move(error_); }

  private:
    std::optional<Error> error_;
};

inline Result<void> done() {
    return {};
}

}  // namespace reelfs

#define RF_CONCAT_(a, b) a##b
#define RF_CONCAT(a, b) RF_CONCAT_(a, b)

/// RF_TRY(declaration, expression): defines `declaration` from the value, or returns the error.
#define RF_TRY(declaration, ...) RF_TRY_(RF_CONCAT(rf_try_, __COUNTER__), declaration, __VA_ARGS__)
#define RF_TRY_(result, declaration, ...)               \
    auto result = (__VA_ARGS__);                        \
    if (!result.ok()) return std::move(result).error(); \
    declaration = std::move(result).value()

/// RF_CHECK(expression): returns the error of a Result<void>, or goes on.
#define RF_CHECK(...) RF_CHECK_(RF_CONCAT(rf_check_, __COUNTER__), __VA_ARGS__)
#define RF_CHECK_(result, ...)                              \
    do {                                                    \
        auto result = (__VA_ARGS__);                        \
        if (!result.ok()) return std::move(result).error(); \
    } while (false)
