import { keep, type TargetFiles } from './target-files.ts'
import { type AttemptBounds, type Finding, WatchedTarget } from './target-watchdog.ts'

export interface FuzzOptions {
  readonly seed: number
  readonly durationMs: number
  /** The limit of attempts, even if there is time left. */
  readonly attempts?: number
  readonly bounds?: AttemptBounds
}

export interface FuzzReport {
  readonly target: string
  readonly attempts: number
  readonly elapsedMs: number
  readonly finding: KeptFinding | null
}

/** A finding with the shortest failing input that was found, and the file that keeps the input. */
export interface KeptFinding extends Finding {
  readonly file: string
  /** False: this input alone does not fail, for example because the target keeps state. */
  readonly isRepeatable: boolean
}

export const attemptBounds: AttemptBounds = { attemptMs: 10_000, attemptBytes: 256 * 1024 * 1024, heapBytes: 1024 * 1024 * 1024 }

/**
 * Mutates the target's seeds and corpus until the time has passed or an input breaks a promise. Such an input is shortened and added to the corpus.
 */
export async function fuzz(
  files: TargetFiles,
  { seed, durationMs, attempts = Number.MAX_SAFE_INTEGER, bounds = attemptBounds }: FuzzOptions,
): Promise<FuzzReport> {
  const target = new WatchedTarget(files, bounds)
  try {
    const startedAt = performance.now()
    const finding = await target.fuzz({ seed, durationMs, attempts })
    const report = { target: files.name, attempts: target.attempts, elapsedMs: performance.now() - startedAt }
    return { ...report, finding: finding === null ? null : await kept(files, target, finding) }
  } finally {
    await target.close()
  }
}

async function kept(files: TargetFiles, target: WatchedTarget, found: Finding): Promise<KeptFinding> {
  const isRepeatable = (await target.try(found.input))?.kind === found.kind
  const finding = isRepeatable ? await shortened(target, found) : found
  return { ...finding, isRepeatable, file: keep(files, finding.input) }
}

/**
 * Removes pieces of the input, first halves and finally single bytes, as long as the finding stays. The time is limited, because each hang costs its
 * whole time limit.
 */
async function shortened(target: WatchedTarget, found: Finding): Promise<Finding> {
  const endMs = performance.now() + shorteningMs
  let finding = found
  for (let size = Math.ceil(found.input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < finding.input.length; ) {
      if (performance.now() > endMs) return finding
      const shorter = Buffer.concat([finding.input.subarray(0, at), finding.input.subarray(at + size)])
      const again = await target.try(shorter)
      if (again?.kind === found.kind) finding = again
      else at += size
    }
  }
  return finding
}

const shorteningMs = 60_000
