import { type CheckResult, checkBee } from '../bee-check/bee-check.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'

export interface BeesCheckOptions {
  readonly json: boolean
  /** A JSON value that the bee accepts as input. */
  readonly data: unknown
  readonly timeoutSeconds: number
}

/** `waggle bees check COMMAND…`: checks that a program follows bees/PROTOCOL.md. */
export async function beesCheck(command: readonly string[], { json, data, timeoutSeconds }: BeesCheckOptions): Promise<number> {
  const onResult = (result: CheckResult) => {
    if (!json) process.stdout.write(terminalText(lineOf(result)))
  }
  const checks = await checkBee({ command, sample: { kind: 'json', json: data }, limitMs: timeoutSeconds * 1000, onResult })
  const failures = checks.filter(({ outcome }) => outcome === 'failed').length
  if (json) process.stdout.write(`${JSON.stringify({ command, ok: failures === 0, checks })}\n`)
  else process.stdout.write(failures === 0 ? 'It keeps to the protocol.\n' : `${failures} of ${checks.length} checks failed. See bees/PROTOCOL.md.\n`)
  return failures === 0 ? exitStatus.done : exitStatus.wrongInput
}

function lineOf({ check, outcome, detail, next }: CheckResult): string {
  if (outcome === 'passed') return `✔ ${check}\n`
  if (outcome === 'skipped') return `– ${check}: ${detail}\n`
  return `✖ ${check}\n    ${detail}\n    ${next}\n`
}
