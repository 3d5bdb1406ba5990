// Sealing of catalog pages. Deriving and expanding a key costs half of what sealing a page does, so
// expanded keys ("workers") are kept per session salt and lent out, one thread each. The mutex
// covers only the lending; deriving, sealing and opening run outside it.
//
// Invariants: the salt in use for writing is never dropped from the cache while it is in use; a
// salt read from disk enters the cache only after a unit under it proved authentic, so damaged
// pages cannot push out good keys (a worker that met a damaged page is dropped).
#include "reelfs/crypto/page_seal.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "crypto/require.h"
#include "reelfs/base/mutex.h"
#include "reelfs/crypto/aead.h"

namespace reelfs::crypto {

namespace {

constexpr std::size_t kSaltAt = 0;
constexpr std::size_t kPageNonceAt = 8;
constexpr std::size_t kMarkAt = 20;
constexpr std::size_t kPageTagAt = 24;
static_assert(kPageTagAt + kTagBytes == kPageTrailerBytes);

constexpr std::size_t kSaltsMax = 64;
constexpr std::size_t kIdleWorkersMax = 16;
constexpr std::uint16_t kPageVersion = 1;

using SessionSalt = std::uint64_t;  // the 8 bytes as they stand, loaded little-endian
using Associated = std::array<std::byte, 16>;

Associated associated_data(PagePosition position, std::uint32_t mark) {
    Associated data{};
    store_le(data.data(), kPageVersion);
    data[2] = static_cast<std::byte>(position.kind);
    store_le(data.data() + 4, mark);
    store_le(data.data() + 8, position.index);
    return data;
}

/// An expanded key of one salt, with nonces drawn ahead: one call for randomness serves 16 pages.
class Worker {
  public:
    explicit Worker(const SecretKey& key) : aead_(key) {}

    AeadKey& aead() { return aead_; }
    Nonce next_nonce(Random& random) {
        if (left_ == 0) {
            random.fill(std::as_writable_bytes(std::span(nonces_)));
            left_ = nonces_.size();
        }
        return nonces_[--left_];
    }

  private:
    AeadKey aead_;
    std::array<Nonce, 16> nonces_{};
    std::size_t left_ = 0;
};

}  // namespace

struct PageSealer::State {
    struct Session {
        std::vector<std::unique_ptr<Worker>> idle;
        std::uint64_t used_at = 0;
    };

    State(SecretKey key, Random& source, std::uint64_t limit)
        : page_key(std::move(key)), random(source), pages_per_salt(limit) {}

    const SecretKey page_key;
    Random& random;
    const std::uint64_t pages_per_salt;

    Mutex mutex;  // innermost but for the key pool's
    std::unordered_map<SessionSalt, Session> sessions GUARDED_BY(mutex);
    std::uint64_t uses GUARDED_BY(mutex) = 0;
    SessionSalt writing_salt GUARDED_BY(mutex) = 0;
    std::uint64_t writing_left GUARDED_BY(mutex) = 0;

    /// The salt for one more page to be sealed.
    SessionSalt take_writing_salt() EXCLUDES(mutex) {
        MutexLock lock(mutex);
        if (writing_left == 0) {
            writing_salt = random.integer<SessionSalt>();
            writing_left = pages_per_salt;
        }
        --writing_left;
        return writing_salt;
    }

    std::unique_ptr<Worker> borrow(SessionSalt salt) EXCLUDES(mutex) {
        {
            MutexLock lock(mutex);
            auto found = sessions.find(salt);
            if (found != sessions.end() && !found->second.idle.empty()) {
                std::unique_ptr<Worker> worker = std::move(found->second.idle.back());
                found->second.idle.pop_back();
                return worker;
            }
        }
        return std::make_unique<Worker>(
            derive(page_key, "page", std::as_bytes(std::span(&salt, 1))));
    }

    void give_back(SessionSalt salt, std::unique_ptr<Worker> worker) EXCLUDES(mutex) {
        Session dropped;  // destroyed after the lock
        MutexLock lock(mutex);
        if (sessions.size() >= kSaltsMax && !sessions.contains(salt)) dropped = drop_oldest();
        Session& session = sessions[salt];
        session.used_at = ++uses;
        if (session.idle.size() < kIdleWorkersMax) session.idle.push_back(std::move(worker));
    }

    Session drop_oldest() REQUIRES(mutex) {
        auto oldest = sessions.end();
        for (auto it = sessions.begin(); it != sessions.end(); ++it) {
            if (it->first == writing_salt) continue;
            if (oldest == sessions.end() || it->second.used_at < oldest->second.used_at)
                oldest = it;
        }
        Session session = std::move(oldest->second);
        sessions.erase(oldest);
        return session;
    }
};

PageSealer::PageSealer(SecretKey page_key, Random& random, std::uint64_t pages_per_salt)
    : state_(std::make_unique<State>(std::move(page_key), random, pages_per_salt)) {
    require(pages_per_salt >= 1 && pages_per_salt <= kPagesPerSalt, "a bad number of pages a salt");
}

PageSealer::~PageSealer() = default;

void PageSealer::seal(PagePosition position, std::uint32_t mark, Bytes plain, MutableBytes sealed) {
    require(sealed.size() == plain.size() + kPageTrailerBytes, "a page sealed into the wrong size");
    const SessionSalt salt = state_->take_writing_salt();
    std::unique_ptr<Worker> worker = state_->borrow(salt);
    const Nonce nonce = worker->next_nonce(state_->random);

    std::byte* trailer = sealed.data() + plain.size();
    store_le(trailer + kSaltAt, salt);
    std::copy(nonce.begin(), nonce.end(), trailer + kPageNonceAt);
    store_le(trailer + kMarkAt, mark);
    worker->aead().seal(nonce, associated_data(position, mark), plain, sealed.first(plain.size()),
                        {trailer + kPageTagAt, kTagBytes});
    state_->give_back(salt, std::move(worker));
}

std::optional<std::uint32_t> PageSealer::open(PagePosition position, Bytes sealed,
                                              MutableBytes plain) {
    if (sealed.size() != plain.size() + kPageTrailerBytes) {
        wipe(plain);
        return std::nullopt;
    }
    const std::byte* trailer = sealed.data() + plain.size();
    const auto salt = load_le<SessionSalt>(trailer + kSaltAt);
    const auto mark = load_le<std::uint32_t>(trailer + kMarkAt);
    Nonce nonce;
    std::copy_n(trailer + kPageNonceAt, kNonceBytes, nonce.begin());

    std::unique_ptr<Worker> worker = state_->borrow(salt);
    if (!worker->aead().open(nonce, associated_data(position, mark), sealed.first(plain.size()),
                             {trailer + kPageTagAt, kTagBytes}, plain))
        return std::nullopt;
    state_->give_back(salt, std::move(worker));
    return mark;
}

}  // namespace reelfs::crypto
