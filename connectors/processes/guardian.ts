import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Ends the processes of bees if Waggle itself is killed. The guardian is a shell that outlives Waggle. The shell knows the process groups, and
 * notices the end of its standard input. Most bees exit at the end of their own input, as the protocol says. The remaining bees get SIGTERM, then
 * SIGKILL.
 */
export class Guardian {
  readonly #finishMs: number
  readonly #termMs: number
  readonly #groups = new Set<number>()
  #shell: ChildProcess | null = null

  constructor({ finishMs, termMs }: { readonly finishMs: number; readonly termMs: number }) {
    this.#finishMs = finishMs
    this.#termMs = termMs
  }

  watch(group: number): void {
    this.#groups.add(group)
    if (this.#shell === null) this.#start()
    else this.#shell.stdin?.write(`watch ${group}\n`)
  }

  forget(group: number): void {
    this.#groups.delete(group)
    this.#shell?.stdin?.write(`forget ${group}\n`)
  }

  /** Starts the shell. If the start fails, bees still see the end of their input, and the start of the next bee tries again. */
  #start(): void {
    const seconds = [this.#finishMs, this.#termMs].map((ms) => String(Math.ceil(ms / 1000)))
    try {
      const shell: ChildProcess = spawn('/bin/sh', ['-c', script, 'waggle-guardian', ...seconds], {
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      const gone = () => {
        if (this.#shell === shell) this.#shell = null
      }
      shell.on('error', gone)
      shell.on('exit', gone)
      shell.stdin?.on('error', () => {})
      for (const group of this.#groups) shell.stdin?.write(`watch ${group}\n`)
      shell.unref()
      if (shell.stdin !== null && 'unref' in shell.stdin && typeof shell.stdin.unref === 'function') shell.stdin.unref()
      this.#shell = shell
    } catch {
      this.#shell = null
    }
  }
}

/**
 * After the end of its input, the shell waits `$1` seconds, sends SIGTERM, waits `$2` seconds, and sends SIGKILL to the groups. The shell skips a
 * group that has ended.
 */
const script = `
trap '' HUP INT TERM
groups=' '
while read -r verb group; do
  case $verb in
    watch) groups="$groups$group " ;;
    forget) groups="\${groups%% "$group" *} \${groups#* "$group" }" ;;
  esac
done
strike() {
  still=' '
  for group in $groups; do kill -s 0 -- "-$group" 2>/dev/null && still="$still$group "; done
  groups=$still
}
wait_for() {
  left=$1
  strike
  while [ "$left" -gt 0 ] && [ "$groups" != ' ' ]; do sleep 1; left=$((left - 1)); strike; done
}
end() { for group in $groups; do kill -s "$1" -- "-$group" 2>/dev/null; done; }
wait_for "$1"
end TERM
wait_for "$2"
end KILL
`
