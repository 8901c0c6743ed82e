/* A fully connected layer for a few pictures: its weights are read once, as fast as memory gives them.

   The memory of a processor is at its best when several rows are read at once, each a stream that its prefetcher follows:
   one row at a time reads little more than half as fast. The sums of a row are kept in one register and added up at the
   end. Threads are those of torch: each takes the next few rows until none is left. */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define PAIR 2      /* vectors of a row that are read at once: a line of the cache or two */
#define STREAMS 8   /* rows that are read at once */
#define GROUPS 4    /* of rows that a thread takes at once */

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* What to do; `matvec.py` has the same fields. */
struct task {
    const float *weight;                 /* (rows, columns) */
    const float *bias;                   /* (rows), or NULL */
    const float *features;               /* (pictures, columns) */
    float *result;                       /* (pictures, rows) */
    int rows, columns, pictures;
    int is_rectified;
};

struct job {
    struct task task;
    atomic_int groups;                   /* begun so far */
};

static inline lanes loaded(const float *numbers)
{
    lanes value;
    memcpy(&value, numbers, sizeof value); /* from any address */
    return value;
}

static inline float sum_of(lanes value)
{
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++)
        sum += value[lane];
    return sum;
}

/* `count` units of a picture, the first of which reads `weight`. */
static inline __attribute__((always_inline)) void
units(const struct task *task, const float *weight, const float *features, int count, float *sums)
{
    lanes parts[STREAMS][PAIR];
    size_t columns = task->columns, column = 0;
    for (int row = 0; row < count; row++)
        for (int half = 0; half < PAIR; half++)
            parts[row][half] = (lanes){0};
    for (; column + PAIR * LANES <= columns; column += PAIR * LANES)
        for (int row = 0; row < count; row++)
            for (int half = 0; half < PAIR; half++) {
                size_t place = column + half * LANES;
                parts[row][half] += loaded(weight + row * columns + place) * loaded(features + place);
            }
    for (int row = 0; row < count; row++) {
        sums[row] = sum_of(parts[row][0] + parts[row][1]);
        for (size_t rest = column; rest < columns; rest++)
            sums[row] += weight[row * columns + rest] * features[rest];
    }
}

/* The units from `first` on that read STREAMS rows or, at the end, fewer, for all pictures. */
static void make_units(const struct task *task, int first)
{
    int count = task->rows - first < STREAMS ? task->rows - first : STREAMS;
    const float *weight = task->weight + (size_t)first * task->columns;
    for (int picture = 0; picture < task->pictures; picture++) {
        const float *features = task->features + (size_t)picture * task->columns;
        float sums[STREAMS], *result = task->result + (size_t)picture * task->rows + first;
        if (count == STREAMS) /* the compiler keeps what it can count in registers */
            units(task, weight, features, STREAMS, sums);
        else
            units(task, weight, features, count, sums);
        for (int row = 0; row < count; row++) {
            float unit = sums[row] + (task->bias ? task->bias[first + row] : 0);
            result[row] = task->is_rectified && unit < 0 ? 0 : unit; /* NaN stays */
        }
    }
}

/* What each thread does. */
static void work(void *shared)
{
    struct job *job = shared;
    int first, step = STREAMS * GROUPS;
    while ((first = atomic_fetch_add(&job->groups, 1) * step) < job->task.rows)
        for (int row = first; row < first + step && row < job->task.rows; row += STREAMS)
            make_units(&job->task, row);
}

/* Do a task with `threads` threads of `parallel`, which is OpenMP's GOMP_parallel. Returns 0: nothing can fail. */
int matvec(const struct task *task, void (*parallel)(void (*)(void *), void *, unsigned, unsigned), int threads)
{
    struct job job = {.task = *task};
    parallel(work, &job, threads, 0);
    return 0;
}
