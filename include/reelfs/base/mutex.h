// Mutexes that clang's thread-safety analysis can see (it does not look through std::mutex). Every
// field that a lock covers says so with GUARDED_BY; the order of locks is written in README.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define RF_TSA(x) __attribute__((x))
#else
#define RF_TSA(x)
#endif
#define CAPABILITY(x) RF_TSA(capability(x))
#define SCOPED_CAPABILITY RF_TSA(scoped_lockable)
#define GUARDED_BY(x) RF_TSA(guarded_by(x))
#define PT_GUARDED_BY(x) RF_TSA(pt_guarded_by(x))
#define REQUIRES(...) RF_TSA(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) RF_TSA(requires_shared_capability(__VA_ARGS__))
#define ACQUIRE(...) RF_TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) RF_TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) RF_TSA(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) RF_TSA(release_shared_capability(__VA_ARGS__))
#define RELEASE_GENERIC(...) RF_TSA(release_generic_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) RF_TSA(try_acquire_capability(__VA_ARGS__))
#define EXCLUDES(...) RF_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRED_BEFORE(...) RF_TSA(acquired_before(__VA_ARGS__))
#define ACQUIRED_AFTER(...) RF_TSA(acquired_after(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS RF_TSA(no_thread_safety_analysis)

namespace reelfs {

class CAPABILITY("mutex") Mutex {
  public:
    void lock() ACQUIRE() { mutex_.lock(); }
    void unlock() RELEASE() { mutex_.unlock(); }
    bool try_lock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }

  private:
    friend class CondVar;
    std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
  public:
    explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
    ~MutexLock() RELEASE() {
        if (held_) mutex_.unlock();
    }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;
    void unlock() RELEASE() {
        mutex_.unlock();
        held_ = false;
    }
    void lock() ACQUIRE() {
        mutex_.lock();
        held_ = true;
    }

  private:
    Mutex& mutex_;
    bool held_ = true;
};

class CAPABILITY("shared_mutex") SharedMutex {
  public:
    void lock() ACQUIRE() { mutex_.lock(); }
    void unlock() RELEASE() { mutex_.unlock(); }
    void lock_shared() ACQUIRE_SHARED() { mutex_.lock_shared(); }
    void unlock_shared() RELEASE_SHARED() { mutex_.unlock_shared(); }

  private:
    std::shared_mutex mutex_;
};

class SCOPED_CAPABILITY WriteLock {
  public:
    explicit WriteLock(SharedMutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
    ~WriteLock() RELEASE() { mutex_.unlock(); }
    WriteLock(const WriteLock&) = delete;
    WriteLock& operator=(const WriteLock&) = delete;

  private:
    SharedMutex& mutex_;
};

class SCOPED_CAPABILITY ReadLock {
  public:
    explicit ReadLock(SharedMutex& mutex) ACQUIRE_SHARED(mutex) : mutex_(mutex) {
        mutex_.lock_shared();
    }
    ~ReadLock() RELEASE_GENERIC() { mutex_.unlock_shared(); }
    ReadLock(const ReadLock&) = delete;
    ReadLock& operator=(const ReadLock&) = delete;

  private:
    SharedMutex& mutex_;
};

/// Waits on a Mutex. Callers loop on their own condition.
class CondVar {
  public:
    void wait(Mutex& mutex) REQUIRES(mutex) {
        std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
        condition_.wait(lock);
        lock.release();
    }
    /// False when the time passed without a notification.
    template <class Rep, class Period>
    bool wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> time) REQUIRES(mutex) {
        std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
        bool woken = condition_.wait_until(lock, std::chrono::steady_clock::now() + time) ==
                     std::cv_status::no_timeout;
        lock.release();
        return woken;
    }
    void notify_one() { condition_.notify_one(); }
    void notify_all() { condition_.notify_all(); }

  private:
    std::condition_variable condition_;
};

}  // namespace reelfs
