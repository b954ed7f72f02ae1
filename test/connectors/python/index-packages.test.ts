import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { indexPackages as packagesOf } from '../../../connectors/python/index-packages.ts'
import { requirementsOf } from '../../../connectors/python/requirements.ts'

const indexPackages = (file: string) => packagesOf(file, { isNamed: false })

describe('Requirements of packages alone', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-index-'))
  after(() => rmSync(root, { recursive: true }))
  let folders = 0

  /** Writes files into a new folder, and returns the path of the first one. */
  function written(files: { readonly [name: string]: string | Uint8Array }): string {
    const folder = join(root, String(folders++))
    mkdirSync(join(folder, 'sub'), { recursive: true })
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    return join(folder, Object.keys(files)[0] ?? '')
  }
  const list = (text: string | Uint8Array, more: { readonly [name: string]: string } = {}) => written({ 'requirements.txt': text, ...more })

  it('give the installer the names, versions, markers and hashes that they have, and nothing of comments and line ends', () => {
    const text = `# numbers
numpy == 2.1   # here
scipy>=1,<2 \\
  --hash=sha256:00ff \\
  --hash=sha256:11ee
requests[security, socks] ~= 2.8 ; python_version < "3.12" and os_name == 'posix'
old (>=1)
--only-binary :all:
torch==2.1+cpu\r
`
    assert.deepEqual(indexPackages(list(text)), {
      lines: [
        'numpy == 2.1',
        'scipy>=1,<2 --hash=sha256:00ff --hash=sha256:11ee',
        `requests[security, socks] ~= 2.8 ; python_version < "3.12" and os_name == 'posix'`,
        'old (>=1)',
        '--only-binary :all:',
        'torch==2.1+cpu',
      ],
      constraints: [],
    })
  })

  it('take included files of their folder along, each once, and constraints as such', () => {
    const more = { 'more.txt': 'scipy\n-r requirements.txt\n-r sub/deep.txt', 'sub/deep.txt': 'deep', 'limits.txt': 'numpy<3' }
    assert.deepEqual(indexPackages(list('-r more.txt\n--constraint=limits.txt\nnumpy', more)), {
      lines: ['scipy', 'deep', 'numpy'],
      constraints: ['numpy<3'],
    })
  })

  for (const [what, text, pattern] of [
    ['another index', 'numpy\n--index-url https://packages.example/', /requirements\.txt:2 has the option --index-url$/],
    ['another index beside a package', 'numpy --index-url=http://10.0.0.1/', /:1 has the option --index-url$/],
    ['a further index', '--extra-index-url http://10.0.0.1/', /the option --extra-index-url$/],
    ['a page of links', '-f http://10.0.0.1/', /the option -f$/],
    ['a page of links in a long form', '--find-links /srv', /the option --find-links$/],
    ['an abbreviated option', '--index http://10.0.0.1/', /the option --index$/],
    ['a trusted host', '--trusted-host 10.0.0.1', /the option --trusted-host$/],
    ['an editable folder', '-e .', /the option -e$/],
    ['an editable repository', '--editable git+https://x.example/y', /the option --editable$/],
    ['an option behind a marker', 'numpy; python_version > "3" -f http://10.0.0.1/', /the option -f$/],
    ['an address', 'https://user:hunter2@10.0.0.1/a.whl', /has an address, which is not the name of a package/],
    ['a name at an address', 'numpy @ https://user:hunter2@10.0.0.1/a.whl', /has an address, which is not/],
    ['a repository', 'git+ssh://git@10.0.0.1/a', /has an address, which is not/],
    ['a path', './package', /has \.\/package, which is not/],
    ['a file', 'file:package', /has file:package, which is not/],
    ['a variable', '$' + '{INDEX}', /:1 has a line, which is not/],
    ['an option on the next line of pip alone', '# a comment\r--index-url http://10.0.0.1/', /:2 has the option --index-url$/],
    ['an option behind a line separator', 'numpy\u2028--pre -f x', /:2 has the option --pre$/],
    ['an option in a line that goes on', 'numpy \\\n--index-url x', /:1 has the option --index-url$/],
    ['an option in UTF-16', Buffer.from('\ufeff--index-url x', 'utf16le'), /:1 has /],
    ['a file outside', '-r ../other.txt', /includes \.\.\/other\.txt, which is not in the folder of requirements\.txt$/],
    ['a file at an address', '-r http://10.0.0.1/list.txt', /includes an address, which is not in the folder/],
    ['a long line', `numpy==${'1'.repeat(2000)}`, /:1 has a line, which is not the name/],
  ] as const)
    it(`are refused with the line and the next step if they name ${what}`, () => {
      assert.throws(
        () => indexPackages(list(text)),
        ({ code, message, next }: Error & { readonly code: string; readonly next: string }) => {
          assert.equal(code, 'WAGGLE_REQUIREMENT_REFUSED')
          assert.match(message, pattern)
          assert.doesNotMatch(message, /hunter2/)
          assert.match(next, /numpy==2\.1.*WAGGLE_PYTHON_REQUIREMENTS=anything/)
          return true
        },
      )
    })

  it('are refused if an included file has such a line, or is a link out of the folder', () => {
    assert.throws(() => indexPackages(list('-r more.txt', { 'more.txt': '\n-e .' })), { message: /more\.txt:2 has the option -e$/ })
    const file = list('-r link.txt')
    writeFileSync(join(root, 'outside.txt'), 'numpy')
    symlinkSync(join(root, 'outside.txt'), join(file, '..', 'link.txt'))
    assert.throws(() => indexPackages(file), { code: 'WAGGLE_REQUIREMENT_REFUSED', message: /includes link\.txt/ })
  })

  it('are refused without a word of a file that is none of requirements, and of an included one', () => {
    const secret = 'DB_PASSWORD=hunter2-very-secret'
    const errorOf = (read: () => unknown) => {
      try {
        read()
      } catch (thrown) {
        return String(thrown)
      }
      return 'no error'
    }
    for (const read of [
      () => packagesOf(written({ '.env': secret }), { isNamed: true }),
      () => packagesOf(written({ '.env': `-r ../${secret}` }), { isNamed: true }),
      () => indexPackages(list('-r more.txt', { 'more.txt': secret })),
      () => indexPackages(list('root:$6$hunter2:20000')),
      () => packagesOf(written({ 'pyproject.toml': secret }), { isNamed: true }),
    ]) {
      assert.match(errorOf(read), /:1 /)
      assert.doesNotMatch(errorOf(read), /hunter2/)
    }
    assert.match(
      errorOf(() => indexPackages(list('numpy=2.1'))),
      /has numpy=2\.1, which is not the name/,
    )
  })

  it('are refused if the file beside the bee is a link out of its folder, which a named file may be', () => {
    const file = list('numpy')
    const outside = written({ 'outside.txt': 'scipy' })
    rmSync(file)
    symlinkSync(outside, file)
    assert.throws(() => requirementsOf(null, join(file, '..', 'bee.py'), 'packages'), {
      code: 'WAGGLE_REQUIREMENT_REFUSED',
      message: /is a link out of its folder/,
      next: /as spec\.requirements/,
    })
    assert.deepEqual(packagesOf(file, { isNamed: true }).lines, ['scipy'])
  })

  it('are checked before a file that they include outside of the folder is read', () => {
    // The missing file would give WAGGLE_PYTHON_ENVIRONMENT if it were read.
    const file = list('-r ../missing.txt')
    assert.throws(() => requirementsOf(null, join(file, '..', 'bee.py'), 'packages'), { code: 'WAGGLE_REQUIREMENT_REFUSED' })
  })

  it('are the dependencies of a pyproject.toml, whose settings for tools are left out', () => {
    const project = (dependencies: string) =>
      written({ 'pyproject.toml': `[project]\nname = "bee"\ndependencies = [${dependencies}]\n[[tool.uv.index]]\nurl = "http://10.0.0.1"\n` })
    assert.deepEqual(indexPackages(project('"numpy", "scipy>=1"')).lines, ['numpy', 'scipy>=1'])
    assert.throws(() => indexPackages(project('"numpy @ http://10.0.0.1/a.whl"')), { code: 'WAGGLE_REQUIREMENT_REFUSED' })
    assert.throws(() => indexPackages(project('"numpy\\n--index-url x"')), { code: 'WAGGLE_REQUIREMENT_REFUSED' })
    assert.throws(() => indexPackages(project('"numpy"]]')), { message: /is not TOML/ })
  })

  it('need no environment without a package, and another one when an included file changes', () => {
    const found = (text: string, more = '') => requirementsOf(null, join(list(text, { 'more.txt': more }), '..', 'bee.py'), 'packages')
    assert.equal(found('# none\n--pre'), null)
    assert.equal(found('-c more.txt', 'numpy<3'), null)
    const [first, second, commented] = [found('-r more.txt', 'numpy'), found('-r more.txt', 'scipy'), found('-r more.txt', '# a\nnumpy')]
    assert.deepEqual([first?.kind, first?.hash === second?.hash, first?.hash === commented?.hash], ['checked', false, true])
  })
})
