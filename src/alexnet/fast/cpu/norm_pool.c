/* Response norm and max pooling of maps (B, H, W, C), each alone or both in either order, in one pass over the maps.

   Lines of a map are normalised in a buffer that lies in the cache; as soon as the lines of a pooling window are there, a
   line of the result is made of them. All arithmetic is in float32, rounded once on the way out. NaN stays NaN, as in
   torch. Threads are those of torch: each takes the next few lines of the result until none is left. */
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum Number { FLOAT32, BFLOAT16, UINT8 };
enum Norm { NO_NORM, BEFORE_POOLING, AFTER_POOLING };

/* What to do; `compiled.py` has the same fields. */
struct task {
    const void *maps;                    /* (images, height, width, channels), float32 or bfloat16 */
    void *result;                        /* (images, result_height, result_width, channels) */
    int number, result_number;           /* of type Number */
    int images, height, width, channels, result_height, result_width;
    int norm, groups, reach;             /* of type Norm; `reach` channels on either side are in the window */
    float k, alpha;                      /* alpha of one square */
    int size, stride;                    /* of the pooling window, 1 and 1 without; a window ends where the map does */
    float steps, zero;                   /* of a uint8 result: value * steps + zero, rounded */
};

struct job {
    struct task task;
    int band;                            /* lines of the result that a thread takes at once */
    size_t squares, line, buffer;        /* lengths in floats */
    float *buffers;                      /* one for each thread */
    atomic_int threads, bands;           /* begun so far */
};

static inline float widened(uint16_t number)
{
    uint32_t bits = (uint32_t)number << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest bfloat16, of two equally near the even one. The lower half of any NaN here is 0, so that it stays one. */
static inline uint16_t narrowed(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* The nearest uint8; what lies outside becomes the end of the range, and NaN 0. */
static inline uint8_t quantized(float value, float steps, float zero)
{
    float number = value * steps + (zero + 0.5f);
    number = number > 0 ? number : 0;
    return number < 255 ? number : 255;
}

static void read_line(const struct task *task, size_t number, size_t count, float *restrict line)
{
    const float *floats = (const float *)task->maps + number * count;
    const uint16_t *halves = (const uint16_t *)task->maps + number * count;
    if (task->number == FLOAT32)
        memcpy(line, floats, count * sizeof *line);
    else
        for (size_t i = 0; i < count; i++)
            line[i] = widened(halves[i]);
}

static void write_line(const struct task *task, size_t number, size_t count, const float *restrict line)
{
    float *floats = (float *)task->result + number * count;
    uint16_t *halves = (uint16_t *)task->result + number * count;
    uint8_t *bytes = (uint8_t *)task->result + number * count;
    switch (task->result_number) {
    case FLOAT32:
        memcpy(floats, line, count * sizeof *line);
        break;
    case BFLOAT16:
        for (size_t i = 0; i < count; i++)
            halves[i] = narrowed(line[i]);
        break;
    case UINT8:
        for (size_t i = 0; i < count; i++)
            bytes[i] = quantized(line[i], task->steps, task->zero);
    }
}

/* x / (k + alpha * sum of squares over the window) ** 0.75 within each block of channels, in place.

   All squares are written before the first is read: a window that reads what was just written waits for it. `squares`
   has `reach` zeros before, between and behind the blocks. */
static inline __attribute__((always_inline)) void
normalise(float *restrict x, size_t blocks, int channels, int reach, float k, float alpha, float *restrict squares)
{
    size_t stride = channels + reach;
    for (size_t block = 0; block < blocks; block++)
        for (int c = 0; c < channels; c++)
            squares[reach + block * stride + c] = x[block * channels + c] * x[block * channels + c];
    for (size_t block = 0; block < blocks; block++)
        for (int c = 0; c < channels; c++) {
            float sum = 0;
            for (int neighbour = 0; neighbour <= 2 * reach; neighbour++)
                sum += squares[block * stride + c + neighbour];
            float root = sqrtf(k + alpha * sum);
            x[block * channels + c] /= root * sqrtf(root);
        }
}

static void normalise_line(const struct task *task, int width, float *line, float *squares)
{
    size_t blocks = (size_t)width * task->groups;
    int channels = task->channels / task->groups;
    if (task->reach == 2) /* the compiler unrolls a window that it knows */
        normalise(line, blocks, channels, 2, task->k, task->alpha, squares);
    else
        normalise(line, blocks, channels, task->reach, task->k, task->alpha, squares);
}

static int smaller(int a, int b) { return a < b ? a : b; }

static void keep_larger(float *restrict largest, const float *restrict values, int count)
{
    for (int i = 0; i < count; i++)
        largest[i] = (values[i] > largest[i]) | (values[i] != values[i]) ? values[i] : largest[i];
}

/* A line of windows, from line `top` of the map on. Line n of the map lies in place n % size of `lines`. */
static void pool_line(const struct job *job, int top, const float *lines, float *result)
{
    const struct task *task = &job->task;
    int channels = task->channels, bottom = smaller(top + task->size, task->height);
    for (int column = 0; column < task->result_width; column++, result += channels) {
        int left = column * task->stride, right = smaller(left + task->size, task->width);
        for (int y = top; y < bottom; y++) {
            const float *line = lines + y % task->size * job->line;
            for (int x = left; x < right; x++)
                if (y == top && x == left)
                    memcpy(result, line + (size_t)x * channels, channels * sizeof *result);
                else
                    keep_larger(result, line + (size_t)x * channels, channels);
        }
    }
}

static void make_band(const struct job *job, int image, int first, int last, float *buffer)
{
    const struct task *task = &job->task;
    float *squares = buffer, *lines = squares + job->squares, *result = lines + task->size * job->line;
    int ready = first * task->stride; /* lines of the map from here on have not been read */
    for (int row = first; row < last; row++) {
        int top = row * task->stride, bottom = smaller(top + task->size, task->height);
        for (ready = ready > top ? ready : top; ready < bottom; ready++) {
            float *line = lines + ready % task->size * job->line;
            read_line(task, (size_t)image * task->height + ready, job->line, line);
            if (task->norm == BEFORE_POOLING)
                normalise_line(task, task->width, line, squares);
        }
        pool_line(job, top, lines, result);
        if (task->norm == AFTER_POOLING)
            normalise_line(task, task->result_width, result, squares);
        size_t count = (size_t)task->result_width * task->channels;
        write_line(task, (size_t)image * task->result_height + row, count, result);
    }
}

/* What each thread does. */
static void work(void *shared)
{
    struct job *job = shared;
    int height = job->task.result_height, bands = (height + job->band - 1) / job->band, band;
    float *buffer = job->buffers + job->buffer * atomic_fetch_add(&job->threads, 1);
    memset(buffer, 0, job->squares * sizeof *buffer);
    while ((band = atomic_fetch_add(&job->bands, 1)) < bands * job->task.images) {
        int first = band % bands * job->band;
        make_band(job, band / bands, first, smaller(first + job->band, height), buffer);
    }
}

/* Do a task with `threads` threads of `parallel`, which is OpenMP's GOMP_parallel. Returns 0, or 1 without memory. */
int norm_pool(const struct task *task, void (*parallel)(void (*)(void *), void *, unsigned, unsigned), int threads)
{
    struct job job = {.task = *task};
    int bands = 4 * threads; /* few, since neighbours read a line twice; more than threads, since some are held up */
    job.band = smaller(1 + task->images * task->result_height / bands, task->result_height);
    job.squares = (size_t)task->width * (task->channels + task->groups * task->reach) + task->reach;
    job.line = (size_t)task->width * task->channels;
    job.buffer = job.squares + task->size * job.line + (size_t)task->result_width * task->channels;
    job.buffers = malloc(threads * job.buffer * sizeof *job.buffers);
    if (!job.buffers)
        return 1;
    parallel(work, &job, threads, 0);
    free(job.buffers);
    return 0;
}
