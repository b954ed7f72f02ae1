import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, readlink, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'

/**
 * The processes that use a cache. Each process has a file in `users/` with its process id and the entries that it uses. A process touches its file
 * regularly. The locks and entries of a killed process are therefore soon free.
 */
export class CacheUsers {
  readonly #directory: string
  readonly #clock: Clock
  readonly token = randomUUID()
  /** For each entry, the number of its uses by this process. */
  readonly #uses = new Map<string, number>()
  #stopBeating: (() => void) | null = null
  /** The write or touch of this process's file that is running now. */
  #beating: Promise<void> = Promise.resolve()
  #isClosed = false
  #opening: Promise<void> | null = null
  #machine = ''
  #writing: Promise<void> = Promise.resolve()

  constructor(directory: string, clock: Clock) {
    this.#directory = join(directory, 'users')
    this.#clock = clock
  }

  /** Writes this process's file. Only the first call does so. */
  open(): Promise<void> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** Records a use of an entry by this process. The use lasts until the process closes the cache, or has called `release` as often as `use`. */
  async use(entry: string): Promise<void> {
    const before = this.#uses.get(entry) ?? 0
    this.#uses.set(entry, before + 1)
    if (before === 0) await this.#write()
  }

  /** Ends one use of an entry. */
  release(entry: string): void {
    const left = (this.#uses.get(entry) ?? 0) - 1
    if (left > 0) this.#uses.set(entry, left)
    else if (this.#uses.delete(entry) && !this.#isClosed) void this.#write().catch(() => {})
  }

  /** The entries that living processes use. This also deletes the files of dead processes. */
  async entriesInUse(): Promise<ReadonlySet<string>> {
    const used = new Set(this.#uses.keys())
    for (const name of await readdir(this.#directory).catch(() => [])) {
      if (name.endsWith('.next')) continue
      const user = await this.#read(name)
      if (user === null) continue
      if (await this.isAlive(name)) for (const entry of user.uses) used.add(entry)
      else await rm(join(this.#directory, name), { force: true })
    }
    return used
  }

  /**
   * True if the process with this token lives. For a process on this machine, its process id decides. For a process on another machine, its file must
   * have been touched recently.
   */
  async isAlive(token: string): Promise<boolean> {
    if (token === this.token) return true
    const user = await this.#read(token)
    if (user === null) return false
    if (user.machine === this.#machine) return startOf(user.pid) === user.started
    await this.#beat()
    // Both times come from the file system, whose clock may differ from this machine's.
    const [own, other] = await Promise.all([this.token, token].map((one) => stat(join(this.#directory, one)).catch(() => null)))
    return own != null && other != null && own.mtimeMs - other.mtimeMs < silentMs
  }

  async close(): Promise<void> {
    if (this.#opening === null) return
    await this.#opening.catch(() => {})
    this.#isClosed = true
    this.#stopBeating?.()
    await this.#beating
    this.#uses.clear()
    await this.#writing.catch(() => {})
    await rm(join(this.#directory, this.token), { force: true })
  }

  async #open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true })
    this.#machine = await machine()
    await this.#write()
    const beat = () => {
      if (this.#isClosed) return
      this.#stopBeating = this.#clock.after(beatMs, () => {
        this.#beating = this.#beat().then(beat, beat)
      })
    }
    beat()
  }

  async #beat(): Promise<void> {
    const now = new Date()
    // The file is missing if another process considered this process dead, so the file is written again.
    await utimes(join(this.#directory, this.token), now, now).catch(() => this.#write())
  }

  /** Writes this process's file. Writes run one after the other, because all of them use the same temporary file. */
  #write(): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() => this.#writeNow())
    return this.#writing
  }

  async #writeNow(): Promise<void> {
    const file = join(this.#directory, this.token)
    const user: User = { pid: process.pid, started: startOf(process.pid) ?? '', machine: this.#machine, uses: [...this.#uses.keys()] }
    await writeFile(`${file}.next`, JSON.stringify(user))
    await rename(`${file}.next`, file)
  }

  async #read(token: string): Promise<User | null> {
    try {
      return parseUser(await readFile(join(this.#directory, token), 'utf8'))
    } catch {
      return null
    }
  }
}

interface User {
  readonly pid: number
  /** The start time of the process as the kernel counts it. The start time is needed because a process id may be used again. */
  readonly started: string
  readonly machine: string
  readonly uses: readonly string[]
}

function parseUser(text: string): User | null {
  const user: Partial<User> | null = JSON.parse(text)
  const { pid, started, machine, uses } = user ?? {}
  if (typeof pid !== 'number' || typeof started !== 'string' || typeof machine !== 'string' || !Array.isArray(uses)) return null
  return { pid, started, machine, uses: uses.filter((one) => typeof one === 'string') }
}

/** The start time of a process; null if the process does not exist. '' on a system that reports only whether the process exists. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The program's name is in brackets and may contain spaces, so the fields are counted from the last bracket. A zombie counts as ended.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? null : (fields[19] ?? '')
  } catch {
    if (process.platform === 'linux') return null
  }
  try {
    process.kill(pid, 0)
    return ''
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM' ? '' : null
  }
}

/** An identity for the space in which process ids are unique: the host since its last start, and the container. */
async function machine(): Promise<string> {
  const pids = await readlink('/proc/self/ns/pid').catch(() => '')
  return `${hostname()} ${await bootId()} ${pids}`
}

/** The id of the machine's last start; '' on a system without such an id. */
export async function bootId(): Promise<string> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return text.trim()
}

const beatMs = 10_000
const silentMs = 60_000
