import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LockedWheel } from '../../topology/swarm/ports/python.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Guardian } from '../processes/guardian.ts'
import { runTool } from '../python/tool-run.ts'
import { readBounded } from '../system/bounded-file.ts'

export interface ResolutionOptions {
  /** A Python with pip. */
  readonly python: string
  readonly guardian: Guardian
  /** When the signal aborts, running programs end. */
  readonly signal: AbortSignal
}

/** A Python package as pip resolves it. */
export interface ResolvedPackage {
  readonly name: string
  readonly version: string
  /** The package's own wheel, and those of all packages on which it depends. */
  readonly wheels: readonly LockedWheel[]
}

/**
 * Resolves a Python package without installing anything. The target is a wheel, a folder with a `pyproject.toml`, or a name of the package index with
 * an optional version, such as `waggle-bee-words==1.0`. A folder is built first. `use` runs with the package while the wheels are still on this disk.
 * Throws WAGGLE_BEE_PACKAGE with the message of pip.
 */
export async function withResolvedPackage<T>(target: string, options: ResolutionOptions, use: (found: ResolvedPackage) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-wheels-'))
  try {
    return await use(await new Resolution(target, directory, options).run())
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

class Resolution {
  readonly #target: string
  readonly #directory: string
  readonly #options: ResolutionOptions

  constructor(target: string, directory: string, options: ResolutionOptions) {
    this.#target = target
    this.#directory = directory
    this.#options = options
  }

  async run(): Promise<ResolvedPackage> {
    const wanted = existsSync(join(this.#target, 'pyproject.toml')) ? await this.#built() : this.#target
    const report = join(this.#directory, 'report.json')
    await this.#pip('install', '--dry-run', '--ignore-installed', '--only-binary', ':all:', '--report', report, wanted)
    const bytes = readBounded(report, { maxBytes: maxReportBytes, next: 'Install a package with fewer dependencies.' })
    const installs = this.#installsIn(Buffer.from(bytes).toString())
    const own = installs.find(({ isRequested }) => isRequested)
    if (own === undefined)
      throw this.#refused('pip names no wheel for it', 'Name a wheel, a folder with a pyproject.toml, or a package of the index.')
    return { name: own.wheel.name, version: own.wheel.version, wheels: installs.map(({ wheel }) => wheel) }
  }

  /** Builds the wheel of a folder, and returns its path. */
  async #built(): Promise<string> {
    const wheels = join(this.#directory, 'wheels')
    await this.#pip('wheel', '--no-deps', '--wheel-dir', wheels, this.#target)
    const [file] = readdirSync(wheels).filter((name) => name.endsWith('.whl'))
    if (file === undefined) throw this.#refused('its build writes no wheel', 'Correct [build-system] of its pyproject.toml.')
    return join(wheels, file)
  }

  async #pip(command: string, ...argv: readonly string[]): Promise<void> {
    const { python, guardian, signal } = this.#options
    const quiet = ['--disable-pip-version-check', '--no-input', '--progress-bar', 'off']
    const { failure, lastLines } = await runTool(python, ['-m', 'pip', command, ...quiet, ...argv], { cwd: this.#directory, guardian, signal })
    if (failure === null) return
    const said = lastLines.length === 0 ? '' : `:\n${lastLines.map((line) => `  ${line}`).join('\n')}`
    throw this.#refused(`pip ${command} ${failure}${said}`, nextStep(lastLines.join('\n')))
  }

  /** The wheels in the installation report (version 1) of pip. */
  #installsIn(report: string): readonly Install[] {
    const { install = [] }: { readonly install?: readonly ReportedInstall[] } = JSON.parse(report)
    return install.map(({ download_info: { url, archive_info: archive }, is_direct: isDirect, requested, metadata }) => {
      const name = metadata.name.toLowerCase().replace(/[-_.]+/g, '-')
      const sha256 = archive?.hashes?.sha256 ?? archive?.hash?.replace(/^sha256=/, '')
      if (sha256 === undefined)
        throw this.#refused(
          `${name} comes from ${url}, which is no wheel with a SHA-256`,
          'Let it depend on a wheel, by a name of the package index.',
        )
      const path = isDirect === true && url.startsWith('file:') ? fileURLToPath(url) : null
      return { wheel: { name, version: metadata.version, sha256, path }, isRequested: requested === true }
    })
  }

  #refused(why: string, next: string): WaggleError {
    return new WaggleError('WAGGLE_BEE_PACKAGE', { message: `The Python package ${this.#target} cannot be added: ${why}`, next })
  }
}

function nextStep(said: string): string {
  if (/no such option: --(report|dry-run)/.test(said)) return 'Use a Python whose ensurepip has pip 22.2 or newer, such as Python 3.11.'
  if (/ResolutionImpossible|conflicting dependencies/.test(said))
    return 'Its dependencies contradict each other: add another version of it, such as PACKAGE==1.0, or correct them in its pyproject.toml.'
  if (/different Python|requires? a different|Requires-Python/i.test(said))
    return 'Use the Python that the package names, or add another version of it.'
  return 'Check the name and the version, and see that the package index can be reached. Only wheels are taken: of a source distribution, add the unpacked folder.'
}

interface Install {
  readonly wheel: LockedWheel
  readonly isRequested: boolean
}

/** The part of pip's report that this module reads. A file in a folder or a repository has no `archive_info`. */
interface ReportedInstall {
  readonly download_info: {
    readonly url: string
    readonly archive_info?: { readonly hash?: string; readonly hashes?: { readonly sha256?: string } }
  }
  readonly is_direct?: boolean
  readonly requested?: boolean
  readonly metadata: { readonly name: string; readonly version: string }
}

const maxReportBytes = 64 * 1024 * 1024
