import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export interface WheelContent {
  readonly name: string
  readonly version?: string
  readonly source: string
  readonly keywords?: string
  /** The packages on which it depends. */
  readonly needs?: readonly string[]
  /** The lines of the entry points in the group `waggle.bees`. */
  readonly bees?: readonly string[]
}

/** Writes a wheel with one module into a folder, and returns its path. A wheel is an archive with a few files of metadata. */
export function writeWheel(folder: string, { name, version = '1.0', source, keywords = 'waggle-bee', needs = [], bees = [] }: WheelContent): string {
  const module = name.replaceAll('-', '_')
  const path = join(folder, `${module}-${version}-py3-none-any.whl`)
  const metadata = [
    'Metadata-Version: 2.1',
    `Name: ${name}`,
    `Version: ${version}`,
    `Keywords: ${keywords}`,
    ...needs.map((one) => `Requires-Dist: ${one}`),
  ]
  const files = {
    [`${module}.py`]: source,
    METADATA: `${metadata.join('\n')}\n`,
    WHEEL: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    ...(bees.length === 0 ? {} : { 'entry_points.txt': `[waggle.bees]\n${bees.join('\n')}\n` }),
  }
  execFileSync('python3', ['-c', script, path, `${module}-${version}.dist-info/`, JSON.stringify(files)])
  return path
}

const script = `
import json, sys, zipfile
path, info, files = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
names = [name if name.endswith(".py") else info + name for name in files]
with zipfile.ZipFile(path, "w") as wheel:
    for name, content in zip(names, files.values()):
        wheel.writestr(name, content)
    wheel.writestr(info + "RECORD", "".join(name + ",,\\n" for name in names + [info + "RECORD"]))
`
