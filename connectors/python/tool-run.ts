import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Guardian } from '../processes/guardian.ts'
import { killGroup } from '../system/process-group.ts'

export interface ToolOptions {
  readonly cwd?: string
  readonly guardian: Guardian
  /** Ends the program when it aborts. */
  readonly signal: AbortSignal
  readonly onLine?: (line: string) => void
}

export interface ToolEnd {
  /** Null if the program succeeded; otherwise its failure, as the end of a sentence. */
  readonly failure: string | null
  /** The last lines of the program's output, shortened. */
  readonly lastLines: readonly string[]
}

/**
 * Runs a program to its end. The program has a process group of its own, which ends with Waggle. The output is read line by line, and only the last
 * lines are kept.
 */
export async function runTool(program: string, argv: readonly string[], { cwd, guardian, signal, onLine }: ToolOptions): Promise<ToolEnd> {
  const lastLines: string[] = []
  const child = spawn(program, argv, {
    ...(cwd === undefined ? {} : { cwd }),
    detached: true,
    env: toolEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kill = () => killGroup(child.pid)
  signal.addEventListener('abort', kill, { once: true })
  if (child.pid !== undefined) guardian.watch(child.pid)
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (text) => {
      const line = text.slice(0, maxLineCharacters)
      if (line.trim() === '') return
      if (lastLines.length === maxLastLines) lastLines.shift()
      lastLines.push(line)
      onLine?.(line)
    })
  }
  try {
    if (signal.aborted) kill()
    const failure = await new Promise<string | null>((resolve) => {
      child.once('error', ({ message }) => resolve(`cannot be started: ${message}`))
      child.once('close', (code, by) => resolve(code === 0 ? null : by === null ? `ended with status ${code}` : `was ended by ${by}`))
    })
    return { failure, lastLines }
  } finally {
    signal.removeEventListener('abort', kill)
    if (child.pid !== undefined) guardian.forget(child.pid)
  }
}

/**
 * The environment variables of an installer: the variables that bees inherit, and those for proxies, certificates, and the installer's own settings.
 * All other variables of Waggle are left out, because packages can run code while they are built.
 */
function toolEnvironment(): NodeJS.ProcessEnv {
  const allowed =
    /^(PATH|HOME|USER|LANG|LC_ALL|TZ|TMPDIR|XDG_CACHE_HOME|XDG_CONFIG_HOME|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC|(PIP|UV|PYENV)_.*)$/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => allowed.test(name)))
}

const maxLastLines = 12
const maxLineCharacters = 500
