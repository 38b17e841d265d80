/* The least that a fold can cost: one loop over points, state in flat arrays, sketches in open-addressed tables.
 * It counts what services/aggregator/domain/cells.py counts of plain points, for one window, and checks nothing. */
#include <math.h>
#include <stdint.h>

#define SLOTS 512 /* of a series' table: more than the buckets that 100 points can fill */

typedef struct {
    double count, sum, min, max, last;
    int64_t last_ms;
    int16_t bucket[SLOTS];
    float weight[SLOTS];
} cell;

int64_t cell_bytes(void) { return sizeof(cell); }

void fold(cell *cells, int64_t rows, const int64_t *slot, const int64_t *ts_ms, const double *value, double per_log)
{
    for (int64_t i = 0; i < rows; i++) {
        cell *c = cells + slot[i];
        double v = value[i];
        c->count += 1;
        c->sum += v;
        if (c->count == 1 || v < c->min) c->min = v;
        if (c->count == 1 || v > c->max) c->max = v;
        if (ts_ms[i] > c->last_ms || (ts_ms[i] == c->last_ms && v > c->last)) {
            c->last_ms = ts_ms[i];
            c->last = v;
        }
        int16_t bucket = (int16_t)(ceil(log(v) * per_log) + 12000);
        uint32_t at = (uint16_t)bucket % SLOTS;
        while (c->weight[at] != 0 && c->bucket[at] != bucket) at = (at + 1) % SLOTS;
        c->bucket[at] = bucket;
        c->weight[at] += 1;
    }
}
