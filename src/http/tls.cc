#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "reelfs/base/disk.h"

namespace reelfs::http {

namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;
constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

/// What OpenSSL noted last, for a person.
std::string last_words() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return reason == nullptr ? "unknown error" : reason;
}

/// http/1.1 or nothing in common: then the handshake ends, rather than speak what was not agreed.
int select_protocol(SSL*, const unsigned char** out, unsigned char* length,
                    const unsigned char* offered, unsigned int offered_length, void*) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, length, kHttp11, sizeof kHttp11, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio source_of(const std::string& text) {
    return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

/// PEM text: the server's certificate, then those that vouch for it.
bool use_certificate_chain(SSL_CTX* context, const std::string& text) {
    const Bio source = source_of(text);
    if (source == nullptr) return false;
    const Certificate own(PEM_read_bio_X509_AUX(source.get(), nullptr, nullptr, nullptr),
                          &X509_free);
    if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
    SSL_CTX_clear_chain_certs(context);
    while (X509* next = PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)) {
        if (SSL_CTX_add0_chain_cert(context, next) == 1) continue;
        X509_free(next);
        return false;
    }
    // Its end is told as an error, too.
    const unsigned long last = ERR_peek_last_error();
    if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

/// No passphrase is asked for: there may be nobody to answer.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

bool use_private_key(SSL_CTX* context, const std::string& text) {
    const Bio source = source_of(text);
    if (source == nullptr) return false;
    const PrivateKey key(PEM_read_bio_PrivateKey(source.get(), nullptr, &no_passphrase, nullptr),
                         &EVP_PKEY_free);
    return key != nullptr && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

Result<std::shared_ptr<SSL_CTX>> read_files(const TlsFiles& files,
                                            const TlsContext::ReadFile& read) {
    auto certificate = read(files.certificate);
    if (!certificate) return std::move(certificate).error().with("certificate file");
    auto key = read(files.key);
    if (!key) return std::move(key).error().with("key file of the certificate");
    ERR_clear_error();
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    if (context == nullptr) return Error(Errc::kNoMemory, "prepare TLS: " + last_words());
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context.get(), &select_protocol, nullptr);
    if (!use_certificate_chain(context.get(), *certificate))
        return Error(Errc::kInvalid,
                     fmt::format("certificate file {} is no PEM certificate chain: {}",
                                 files.certificate, last_words()));
    const bool usable = use_private_key(context.get(), *key);
    OPENSSL_cleanse(key->data(), key->size());
    if (!usable)
        return Error(Errc::kInvalid,
                     fmt::format("{} is no PEM private key, or not that of the certificate {}: {}",
                                 files.key, files.certificate, last_words()));
    if (SSL_CTX_check_private_key(context.get()) != 1)
        return Error(Errc::kInvalid, fmt::format("the key {} is not that of the certificate {}",
                                                 files.key, files.certificate));
    return context;
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<SSL_CTX> context, int socket)
    : context_(std::move(context)), session_(SSL_new(context_.get())) {
    if (session_ != nullptr && SSL_set_fd(session_, socket) == 1) {
        SSL_set_accept_state(session_);
        return;
    }
    SSL_free(session_);
    session_ = nullptr;  // out of memory: the handshake fails
}

TlsSession::~TlsSession() {
    SSL_free(session_);
}

TlsSession::State TlsSession::state_after(int result) {
    switch (SSL_get_error(session_, result)) {
        case SSL_ERROR_NONE:
            return State::kDone;
        case SSL_ERROR_WANT_READ:
            return State::kRead;
        case SSL_ERROR_WANT_WRITE:
            return State::kWrite;
        case SSL_ERROR_ZERO_RETURN:
            return State::kEnded;
        default:
            return State::kFailed;
    }
}

TlsSession::State TlsSession::handshake() {
    if (session_ == nullptr) return State::kFailed;
    ERR_clear_error();
    return state_after(SSL_do_handshake(session_));
}

TlsSession::Step TlsSession::read(MutableBytes room) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result = SSL_read_ex(session_, room.data(), room.size(), &n);
    return {state_after(result), n};
}

TlsSession::Step TlsSession::write(Bytes bytes) {
    ERR_clear_error();
    std::size_t n = 0;
    const int result =
        SSL_write_ex(session_, bytes.data(), std::min(bytes.size(), kRecordBytes), &n);
    return {state_after(result), n};
}

void TlsSession::say_end() {
    ERR_clear_error();
    if (session_ != nullptr && SSL_is_init_finished(session_)) SSL_shutdown(session_);
    ERR_clear_error();
}

Result<std::string> read_text_file(const std::string& path) {
    PosixDisk disk;
    RF_TRY(auto bytes, reelfs::read_file(disk, path, kFileBytesMax));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<std::unique_ptr<TlsContext>> TlsContext::load(const TlsFiles& files, ReadFile read) {
    std::unique_ptr<TlsContext> made(new TlsContext(files, std::move(read)));
    RF_CHECK(made->reload());
    return made;
}

Result<void> TlsContext::reload() {
    RF_TRY(auto fresh, read_files(files_, read_));
    MutexLock lock(mutex_);
    context_ = std::move(fresh);
    return done();
}

std::unique_ptr<TlsSession> TlsContext::session(int socket) const {
    MutexLock lock(mutex_);
    return std::make_unique<TlsSession>(context_, socket);
}

}  // namespace reelfs::http
