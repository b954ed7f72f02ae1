import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, it } from 'node:test'
import { availableMemory } from '../../../connectors/system/available-memory.ts'

const gib = 2 ** 30
const unlimited = '9223372036854771712'

describe('The memory that a process can still take', () => {
  const roots: string[] = []
  afterEach(() => {
    for (const root of roots.splice(0)) rmSync(root, { recursive: true })
  })

  /** A machine with these kernel files. */
  function machine(files: { readonly [path: string]: string }): string {
    const root = mkdtempSync(join(tmpdir(), 'waggle-memory-'))
    roots.push(root)
    for (const [path, content] of Object.entries({ 'proc/meminfo': `MemFree: 1 kB\nMemAvailable: ${8 * 2 ** 20} kB\n`, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    return root
  }

  it('is the machine’s free memory if there is no limit', async () => {
    assert.equal(await availableMemory({ root: machine({}) }), 8 * gib)
    const own = { 'proc/self/cgroup': '0::/app\n', 'sys/fs/cgroup/app/memory.max': 'max\n', 'sys/fs/cgroup/app/memory.current': '5\n' }
    assert.equal(await availableMemory({ root: machine(own) }), 8 * gib)
    const old = { 'sys/fs/cgroup/memory/app/memory.limit_in_bytes': unlimited, 'sys/fs/cgroup/memory/app/memory.usage_in_bytes': '5' }
    assert.equal(await availableMemory({ root: machine({ 'proc/self/cgroup': '4:memory:/app\n', ...old }) }), 8 * gib)
  })

  it('is the remainder of a container’s limit, and the file cache counts as free', async () => {
    const root = machine({
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': `${4 * gib}\n`,
      'sys/fs/cgroup/memory.current': `${3 * gib}\n`,
      'sys/fs/cgroup/memory.stat': `anon ${gib}\ninactive_file ${gib}\nactive_file ${gib / 2}\nslab 9\n`,
    })
    assert.equal(await availableMemory({ root }), 2.5 * gib)
  })

  it('is the remainder of a cgroup version 1 limit, even if the group is named as on the host', async () => {
    const root = machine({
      'proc/self/cgroup': '5:cpu:/docker/1f\n4:hugetlb,memory:/docker/1f\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${4 * gib}\n`,
      'sys/fs/cgroup/memory/memory.usage_in_bytes': `${3 * gib}\n`,
      'sys/fs/cgroup/memory/memory.stat': `cache 9\ntotal_inactive_file ${gib}\ntotal_active_file 0\n`,
    })
    assert.equal(await availableMemory({ root }), 2 * gib)
  })

  it('is the least of the values of all its groups, and never negative', async () => {
    const group = (path: string, limit: number, used: number) => ({
      [`sys/fs/cgroup/${path}/memory.max`]: `${limit}\n`,
      [`sys/fs/cgroup/${path}/memory.current`]: `${used}\n`,
    })
    const own = { 'proc/self/cgroup': '0::/pod/app\n' }
    assert.equal(await availableMemory({ root: machine({ ...own, ...group('pod', 3 * gib, gib), ...group('pod/app', 4 * gib, gib) }) }), 2 * gib)
    assert.equal(await availableMemory({ root: machine({ ...own, ...group('pod/app', gib, 2 * gib) }) }), 0)
  })

  it('is the machine’s whole memory if the machine does not report its free memory', async () => {
    assert.equal(await availableMemory({ root: machine({ 'proc/meminfo': 'nothing' }) }), totalmem())
  })
})
