import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A folder of jars, or the reason why it is not available. */
export type MavenJars = { readonly libs: string; readonly cache: string } | { readonly missing: string }

/**
 * Fetches the jars of a pom.xml from Maven Central once, and keeps them in a cache of the user under `name`. Several processes may call `mavenJars`
 * at the same time.
 */
export function mavenJars({ name, pom }: { readonly name: string; readonly pom: string }): MavenJars {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle', name)
  const libs = join(cache, 'libs')
  if (existsSync(libs)) return { libs, cache }
  if (spawnSync('mvn', ['-version']).status !== 0) return { missing: 'mvn is not on this machine' }
  mkdirSync(cache, { recursive: true })
  const fetched = mkdtempSync(join(cache, 'fetch-'))
  try {
    cpSync(pom, join(fetched, 'pom.xml'))
    const target = join(fetched, 'libs')
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${target}`]
    const got = spawnSync('mvn', ['-q', '-B', '-f', join(fetched, 'pom.xml'), ...goal], { encoding: 'utf8' })
    if (got.status !== 0) return { missing: `Maven cannot fetch ${name}: ${got.stdout.slice(-500)}` }
    try {
      renameSync(target, libs)
    } catch (error) {
      // Another process may have created the folder first.
      if (!existsSync(libs)) throw error
    }
    return { libs, cache }
  } finally {
    rmSync(fetched, { recursive: true, force: true })
  }
}
