import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where Kafka Streams' jars and a compiled program lie, or why they cannot be had here. */
export type KafkaStreamsProgram = { readonly libs: string; readonly classes: string } | { readonly missing: string }

const version = '4.3.1'

/** Fetches the jars from Maven Central once (a cache of the user keeps them) and compiles a program of one file. */
export function withKafkaStreams(source: string): KafkaStreamsProgram {
  for (const tool of ['javac', 'mvn']) if (spawnSync(tool, ['-version']).status !== 0) return { missing: `${tool} is not on this machine` }
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle', `kafka-streams-${version}`)
  const libs = join(cache, 'libs')
  mkdirSync(cache, { recursive: true })
  if (!existsSync(libs)) {
    const fetched = mkdtempSync(join(cache, 'fetch-'))
    const pom = join(import.meta.dirname, 'pom.xml')
    cpSync(pom, join(fetched, 'pom.xml'))
    const got = spawnSync(
      'mvn',
      [
        '-q',
        '-B',
        '-f',
        join(fetched, 'pom.xml'),
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${join(fetched, 'libs')}`,
      ],
      { encoding: 'utf8' },
    )
    if (got.status !== 0) return { missing: `Maven cannot fetch Kafka Streams: ${got.stdout.slice(-500)}` }
    // Another process may have been first.
    if (!existsSync(libs)) renameSync(join(fetched, 'libs'), libs)
    rmSync(fetched, { recursive: true, force: true })
  }
  const classes = mkdtempSync(join(cache, 'classes-'))
  process.once('exit', () => rmSync(classes, { recursive: true, force: true }))
  const compiled = spawnSync('javac', ['-cp', `${libs}/*`, '-d', classes, source], { encoding: 'utf8' })
  return compiled.status === 0 ? { libs, classes } : { missing: `${source} does not compile: ${compiled.stderr}` }
}
