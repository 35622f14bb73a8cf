// NCCL's calls on the stand-in for CUDA's libraries, in a group of one rank, and when ranks use it.
import assert from 'node:assert/strict';
import { afterEach, describe, it, test } from 'node:test';

import { ncclFinding } from '#src/app/doctor/machine-report.js';
import { NativeError } from '#src/base/errors.js';
import { reasonAgainst } from '#src/communicators/nccl/nccl-transport.js';
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';
import { findNccl, ncclVersion, openNccl } from '#src/native/nccl.js';

import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';
import { withFakeNccl } from './nccl-runs.js';

const skip = reasonToSkipFakeCuda();
const VARIABLES = ['FAKE_CUDA_FAIL', 'FAKE_NCCL_VERSION', 'FAKE_NCCL_STALL', 'FAKE_NCCL_ERROR'];

/** That NCCL is not used, and why. */
async function assertUnused(why: RegExp): Promise<void> {
  const found = await findNccl();
  assert.ok(typeof found === 'string');
  assert.match(found, why);
}

describe('NCCL', { skip: skip ?? false }, () => {
  if (skip === null) withFakeNccl();
  afterEach(() => {
    for (const name of VARIABLES) delete process.env[name];
    if (skip === null) Object.assign(process.env, fakeCuda());
  });

  it('is found, or it is said why not and what to do', async () => {
    assert.equal(ncclVersion((await openNccl()).version), '2.21.5');
    assert.match((await ncclFinding()).detail, /^2\.21\.5 \(\//);
    const remedy = /install NCCL \(libnccl2.*PHANTOM_NCCL to libnccl\.so\.2/;
    const nowhere = '/opt/hidden/libnccl.so.2';
    const missing: readonly (readonly [string, RegExp, RegExp])[] = [
      [nowhere, /not installed/, /^NCCL: not installed \(\/opt\/hidden\/libnccl\.so\.2\)$/],
      ['none', /hidden by the environment/, /^NCCL: hidden by the environment$/],
      [process.execPath, /cannot|not/, /^NCCL: \/.*: [^;]*\bcannot [^;]*$/],
    ];
    for (const [path, message, clause] of missing) {
      process.env['PHANTOM_NCCL'] = path;
      await assert.rejects(openNccl(), message);
      if (path !== 'none') await assert.rejects(openNccl(), remedy);
      await assertUnused(clause);
      const { available, detail } = await ncclFinding();
      assert.equal(available, false);
      assert.match(detail, /^between the devices of MPI processes: \[nccl\]/);
    }
  });

  it('is not used where it is too old', async () => {
    for (const [code, version] of [
      [2708, '2.7'],
      [21003, '2.10.3'],
    ] as const) {
      process.env['FAKE_NCCL_VERSION'] = String(code);
      await assert.rejects(openNccl(), new RegExp(`is NCCL ${version}, older than 2.12; install`));
    }
    await assertUnused(/^NCCL: \/.* is NCCL 2\.10\.3, older than 2\.12$/);
  });

  /** The engine of a process, as a group of its own. */
  async function alone(onWarning: (message: string) => void = assert.fail) {
    const engine = await createCudaEngine({ processes: true, onWarning });
    const { peers } = engine;
    assert.ok(peers?.messages);
    const { messages } = peers;
    const from = engine.allocate([64]);
    engine.toDevice(
      Float32Array.from({ length: 64 }, (_, i) => i),
      from,
    );
    const to = engine.allocate([64]);
    const message = (devices = messages.join(messages.createId(), 0, 1)) => {
      devices.begin();
      devices.send(0, from.byteOffset, 256);
      devices.receive(0, to.byteOffset, 256);
      devices.end();
    };
    const after = () => {
      const mark = peers.createMark(peers.place);
      peers.markCopies(mark);
      peers.holdCalls(mark);
    };
    return { engine, messages, from, to, message, after };
  }

  it('sends from memory to memory, in order with calls that wait for it', async () => {
    const { engine, messages, from, to, message, after } = await alone();
    assert.equal(messages.library, 'NCCL 2.21.5');
    assert.match(messages.device, /^[\da-f]{32}$/);
    message();
    after();
    assert.deepEqual(engine.toHost(to), engine.toHost(from));
    engine.close();
  });

  it('tells which call failed, and what to do', async () => {
    const warnings: string[] = [];
    const { engine, messages, from, to, message, after } = await alone(
      (text) => void warnings.push(text),
    );
    const devices = messages.join(messages.createId(), 0, 1);
    const calls: readonly (readonly [string, () => void])[] = [
      ['ncclGetUniqueId', () => messages.createId()],
      ['ncclCommInitRank', () => messages.join(messages.createId(), 0, 1)],
      ['ncclAllGather', () => devices.allGather(from.byteOffset, to.byteOffset, 256)],
      // After each of them another group can begin.
      ['ncclGroupStart', () => message(devices)],
      ['ncclSend', () => message(devices)],
      ['ncclRecv', () => message(devices)],
      ['ncclGroupEnd', () => message(devices)],
    ];
    for (const [name, call] of calls) {
      process.env['FAKE_CUDA_FAIL'] = `${name}:0=3`;
      assert.throws(call, saying(name));
      delete process.env['FAKE_CUDA_FAIL'];
      engine.fill(to, 0);
      // What is sent does not wait for it.
      engine.synchronize();
      call();
      if (!name.startsWith('ncclCommInit') && name !== 'ncclGetUniqueId') {
        after();
        assert.deepEqual(engine.toHost(to), engine.toHost(from), name);
      }
    }
    engine.close();
    assert.match(warnings.join(), /exchanges with others were under way/);
  });
  const saying = (name: string) => (error: unknown) => {
    assert.ok(error instanceof NativeError, String(error));
    const why = 'ended with 3: internal error \\(as a test says\\); NCCL_DEBUG=INFO';
    assert.match(error.message, new RegExp(`^\\[nccl\\] ${name} ${why}.*PHANTOM_CUDA_PEERS=off`));
    return true;
  };

  it('tells an error that comes while the device works', async () => {
    const warnings: string[] = [];
    const { engine, to, message, after } = await alone((text) => void warnings.push(text));
    process.env['FAKE_NCCL_ERROR'] = '-1:6';
    message();
    after();
    const what = /an exchange between devices ended with 6: remote process exited/;
    assert.throws(() => engine.toHost(to), what);
    engine.close();
    assert.match(warnings.join(), /exchanges with others were under way/);
  });

  it('refuses an id that is not whole, memory of the host, and a second rank of one number', async () => {
    const warnings: string[] = [];
    const { engine, messages, to } = await alone((text) => void warnings.push(text));
    const id = messages.createId();
    const broken = id.slice();
    broken[100] = 1;
    assert.throws(
      () => messages.join(broken, 0, 1),
      /ncclCommInitRank ended with 4: invalid argument/,
    );
    const devices = messages.join(id, 0, 1);
    assert.throws(() => messages.join(id, 0, 1), /ended with 5: invalid usage \(two processes/);
    assert.throws(() => devices.send(0, 4096, 256), /ncclSend ended with 4.*not memory/);
    assert.throws(
      () => devices.receive(1, to.byteOffset, 4),
      /ncclRecv ended with 4.*no such rank/,
    );
    engine.close();
    assert.equal(warnings.length, 1);
  });

  it('ends a wait for what never comes, when another rank has ended, and leaves the memory', async () => {
    const warnings: string[] = [];
    const { engine, messages, to, message, after } = await alone(
      (text) => void warnings.push(text),
    );
    messages.watch(
      () => {
        throw new NativeError('test', 'rank 1 has ended');
      },
      () => {},
    );
    process.env['FAKE_NCCL_STALL'] = '-1';
    message();
    after();
    assert.throws(() => engine.toHost(to), /rank 1 has ended/);
    engine.close();
    assert.match(warnings.join(), /exchanges with others were under way on device 0.*until the/);
  });
});

test('ranks use NCCL where each has a device of its own and all have the same version', () => {
  const has = (library: string, detail: string) => ({ library, detail });
  const one = has('NCCL 2.21.5', 'a');
  assert.equal(reasonAgainst([one, has('NCCL 2.21.5', 'b'), has('NCCL 2.21.5', 'c')]), null);
  const none = has('', 'NCCL is not installed');
  assert.equal(reasonAgainst([none, none]), 'NCCL is not installed');
  assert.equal(reasonAgainst([one, none]), 'NCCL is not installed on rank 1');
  const off = has('', 'PHANTOM_CUDA_PEERS is off');
  assert.equal(reasonAgainst([off, none]), 'PHANTOM_CUDA_PEERS is off on rank 0');
  const older = has('NCCL 2.18.1', 'b');
  assert.equal(reasonAgainst([one, older]), 'rank 0 has NCCL 2.21.5, rank 1 NCCL 2.18.1');
  const same = 'ranks 0 and 2 share a device, which NCCL cannot';
  assert.equal(reasonAgainst([one, has('NCCL 2.21.5', 'b'), one]), same);
});
