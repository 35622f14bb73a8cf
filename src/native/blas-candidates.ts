import { readFileSync } from 'node:fs';

const ONEDNN = ['libdnnl.so.3', 'libdnnl.so.2'];
const TUNED_CBLAS = [
  'libopenblas.so.0',
  'libopenblas.so',
  'libopenblasp.so.0',
  'libmkl_rt.so.2',
  'libmkl_rt.so',
  'libblis-mt.so',
  'libblis.so.4',
  'libblis.so',
];
/** What these names stand for may be plain code. */
const ANY_CBLAS = ['libflexiblas.so.3', 'libcblas.so.3', 'libblas.so.3'];

/**
 * The names that Linux' loader is asked for, the fastest libraries first. oneDNN is written for x86:
 * elsewhere its products run on plain code.
 */
export function linuxCandidates(architecture: string): readonly string[] {
  return [...(architecture === 'x64' ? ONEDNN : []), ...TUNED_CBLAS, ...ANY_CBLAS];
}

/**
 * Libraries whose products of a transposed first operand are faster than oneDNN's: none where the
 * processor has AVX-512; with AVX2 alone oneDNN has half of their rate.
 *
 * @param cpuInfo what `/proc/cpuinfo` says
 */
export function transposingCandidates(cpuInfo: string): readonly string[] {
  return /^flags\s*:.*\bavx512f\b/m.test(cpuInfo) ? [] : TUNED_CBLAS;
}

/** Names that the loader is asked for on other systems, the fastest libraries first. */
const CANDIDATES: Readonly<Record<string, readonly string[]>> = {
  darwin: [
    '/System/Library/Frameworks/Accelerate.framework/Accelerate',
    '/opt/homebrew/opt/openblas/lib/libopenblas.dylib',
    '/usr/local/opt/openblas/lib/libopenblas.dylib',
  ],
  win32: ['libopenblas.dll', 'openblas.dll', 'mkl_rt.2.dll', 'AOCL-LibBlis-Win-dll.dll'],
};

const REMEDIES: Readonly<Record<string, string>> = {
  linux:
    'apt-get install libopenblas0-pthread (Debian, Ubuntu; also libdnnl3 or libdnnl2, faster with ' +
    'AVX-512), dnf install openblas onednn (Fedora), or PHANTOM_BLAS=/path/to/library.so',
  darwin: 'brew install openblas, or PHANTOM_BLAS=/path/to/library.dylib',
  win32: 'put libopenblas.dll on the PATH, or set PHANTOM_BLAS to a library',
};

/** The libraries to try, in the order of preference. */
export function candidatePaths(library: string | undefined): readonly string[] {
  const named = library ?? process.env['PHANTOM_BLAS'];
  if (named !== undefined && named !== '') return [named];
  return CANDIDATES[process.platform] ?? linuxCandidates(process.arch);
}

/** Those to try beside oneDNN, for a transposed first operand; none where a library was named. */
export function partnerPaths(library: string | undefined): readonly string[] {
  return candidatePaths(library).length === 1 ? [] : transposingCandidates(readCpuInfo());
}

/** Empty where there is no such file. */
function readCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

/** The command that installs a library on this system. */
export function remedy(): string {
  return REMEDIES[process.platform] ?? 'set PHANTOM_BLAS to a library';
}
