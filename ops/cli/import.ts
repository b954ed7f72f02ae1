import { writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { shownMistake } from '../../topology/swarm/shown-mistakes.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { importedSwarm } from '../import/imported-swarm.ts'
import { exitStatus, mistakesOf } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'

export interface ImportOptions {
  readonly output?: string
  readonly json: boolean
}

/**
 * `waggle import FILE`: translates another system's graph to a swarm file and prints it. Each part of the graph that a swarm cannot express gets a
 * warning with its place and the next step. With `output` the swarm is written to a new file.
 */
export function importFile(file: string, { output, json }: ImportOptions): number {
  const draft = importedSwarm(file, output === undefined ? process.cwd() : dirname(output))
  const text = draft.text()
  const left = [...draft.notes, ...mistakesIn(text, output ?? 'swarm.yaml')]
  if (output !== undefined) writeNew(output, text)
  if (json) process.stdout.write(`${JSON.stringify({ file, output: output ?? null, swarm: text, left: left.map(shownMistake) })}\n`)
  else {
    if (output === undefined) process.stdout.write(text)
    for (const { place, message, next } of left) process.stderr.write(terminalText(`${place}: warning: ${message}; ${next}\n`))
    if (output !== undefined) process.stdout.write(`${output} has the swarm. Correct what is left to do, then: waggle validate ${output}\n`)
  }
  return exitStatus.done
}

/** The mistakes in the imported swarm, which its author has to correct. */
function mistakesIn(text: string, file: string): readonly WaggleError[] {
  try {
    checkSwarm(SwarmDocument.parse(text, file), new BeeRegistry())
    return []
  } catch (thrown) {
    if (thrown instanceof WaggleError) return mistakesOf(thrown)
    throw thrown
  }
}

function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' })
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', {
      message: `${file} ${code === 'EEXIST' ? 'is there already' : `cannot be written (${code})`}`,
      next: 'Name a new file in a folder that this process may write.',
      cause: thrown,
    })
  }
}
