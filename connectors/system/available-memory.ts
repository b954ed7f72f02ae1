import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * The bytes of memory that this process can still take: the free memory of the machine, or less in a container with a limit. The file cache counts as
 * free, because the kernel releases the cache when memory is needed. On systems other than Linux, the result is the machine's whole memory.
 */
export async function availableMemory({ root = '/' }: { readonly root?: string } = {}): Promise<number> {
  const free = /^MemAvailable: +(\d+) kB$/m.exec(await textOf(join(root, 'proc/meminfo')))?.[1]
  const machine = free === undefined ? totalmem() : Number(free) * 1024
  const groups = (await textOf(join(root, 'proc/self/cgroup'))).split('\n').flatMap((line) => groupIn(line))
  const limits = await Promise.all(
    groups.flatMap(({ folder, path, files }) => foldersOf(path).map((each) => leftIn(join(root, folder, each), files))),
  )
  return Math.max(0, Math.min(machine, ...limits))
}

interface ControlGroup {
  readonly folder: string
  readonly path: string
  readonly files: GroupFiles
}

interface GroupFiles {
  readonly limit: string
  readonly usage: string
  /** Matches the lines of `memory.stat` that count the file cache. */
  readonly cache: RegExp
}

/** The control group of a line of `/proc/self/cgroup`: `4:memory:/path` in version 1, `0::/path` in version 2. */
function groupIn(line: string): readonly ControlGroup[] {
  const [, controllers = '', path = ''] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
  if (path !== '' && controllers === '') return [{ folder: 'sys/fs/cgroup', path, files: second }]
  return controllers.split(',').includes('memory') ? [{ folder: 'sys/fs/cgroup/memory', path, files: first }] : []
}

const first: GroupFiles = { limit: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes', cache: /^total_(?:in)?active_file (\d+)$/gm }
const second: GroupFiles = { limit: 'memory.max', usage: 'memory.current', cache: /^(?:in)?active_file (\d+)$/gm }

/** The folders of a group and of all groups above it. Each of these groups may have a limit. A container may see its own group as the topmost one. */
function foldersOf(path: string): readonly string[] {
  return path === '/' ? [path] : [path, ...foldersOf(dirname(path))]
}

/** The bytes of memory that a control group can still take; infinity if the control group has no limit. */
async function leftIn(folder: string, { limit, usage, cache }: GroupFiles): Promise<number> {
  const [most, used, stat] = await Promise.all([limit, usage, 'memory.stat'].map((name) => textOf(join(folder, name))))
  if (most === undefined || used === undefined || !/^\d+\s*$/.test(most) || !/^\d+\s*$/.test(used)) return Number.POSITIVE_INFINITY
  const cached = [...(stat ?? '').matchAll(cache)].reduce((sum, [, bytes]) => sum + Number(bytes), 0)
  return Number(most) - Math.max(0, Number(used) - cached)
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}
