import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { programOfDebian } from './debian-program.ts'

const nobody = 65534
const asNobody = { uid: nobody, gid: nobody, encoding: 'utf8' } as const
const isRoot = process.getuid?.() === 0
const runsHere = isRoot && spawnSync('apt-get', ['--version']).status === 0 && spawnSync(process.execPath, ['--version'], asNobody).status === 0
const skip = runsHere ? false : 'only root of a Debian can become another user'

describe('A program of a Debian package', { skip }, () => {
  const home = mkdtempSync(join(tmpdir(), 'waggle-debian-'))
  after(() => rmSync(home, { recursive: true }))

  it('runs as a user other than root, although only root may enter root’s home', () => {
    const found = programOfDebian('busybox', { package: 'busybox-static', asOtherUser: true })
    assert.ok('program' in found, JSON.stringify(found))
    const { stdout } = spawnSync(found.program, ['id', '-u'], { ...asNobody, env: found.env })
    assert.equal(stdout, `${nobody}\n`)
  })

  it('is found by a user other than root, in a cache of that user', () => {
    chmodSync(home, 0o777)
    // The other user may not be able to read this repository.
    const module = join(home, 'debian-program.ts')
    cpSync(join(import.meta.dirname, 'debian-program.ts'), module)
    const script = `import { programOfDebian } from ${JSON.stringify(module)}
console.log(JSON.stringify(programOfDebian('busybox', { package: 'busybox-static' })))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      ...asNobody,
      cwd: home,
      env: { PATH: process.env.PATH ?? '', HOME: home, XDG_CACHE_HOME: home },
    })
    const { program = '' } = JSON.parse(stdout || `{"missing": ${JSON.stringify(stderr)}}`) as { readonly program?: string }
    assert.match(program, /busybox$/, `${stdout}${stderr}`)
    assert.equal(spawnSync(program, ['echo', 'here'], asNobody).stdout, 'here\n')
  })
})
