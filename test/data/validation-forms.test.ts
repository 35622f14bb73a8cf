import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSettingsData } from '#src/app/data/open-data.js';
import { DataError } from '#src/base/errors.js';

describe('data as settings name them', () => {
  it('have no validation rows with --validation 0, and their own without it', async () => {
    const rows = async (validation: number | null) => {
      const parts = await openSettingsData({ data: 'fashion-10k', validation, seed: 0 });
      return parts.validation?.rows ?? null;
    };
    assert.deepEqual([await rows(0), await rows(null), await rows(0.2)], [null, 2000, 1600]);
  });

  it('are not read from other machines, and what to do is said', async () => {
    for (const [data, what] of [
      ['https://example.org/rows.csv?a=1', /is remote; .* curl -Lo rows\.csv https:\/\/example/],
      ['https://example.org/rows.npy', /is remote; only local files are read/],
      ['s3://bucket/a/rows.parquet', /aws s3 cp s3:\/\/bucket\/a\/rows\.parquet rows\.parquet/],
      ["select * from 's3://bucket/b.csv'", /^\[data\] s3:\/\/bucket\/b\.csv is remote/],
    ] as const) {
      await assert.rejects(
        openSettingsData({ data, validation: null, seed: 0 }),
        (error) => error instanceof DataError && what.test(error.message),
        data,
      );
    }
  });
});
