import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { mavenJars } from './maven-jars.ts'

/** The folders of Kafka Streams' jars and of a compiled program, or the reason why they are not available. */
export type KafkaStreamsProgram = { readonly libs: string; readonly classes: string } | { readonly missing: string }

export const kafkaStreamsVersion = '4.4.0'

/**
 * Fetches the jars of Kafka Streams from Maven Central once, into a cache of the user. Compiles a Java program and the files of its folder that the
 * program needs.
 */
export function withKafkaStreams(source: string): KafkaStreamsProgram {
  if (spawnSync('javac', ['-version']).status !== 0) return { missing: 'javac is not on this machine' }
  const jars = mavenJars({ name: `kafka-streams-${kafkaStreamsVersion}`, pom: join(import.meta.dirname, 'pom.xml') })
  if ('missing' in jars) return jars
  const { libs, cache } = jars
  const classes = mkdtempSync(join(cache, 'classes-'))
  process.once('exit', () => rmSync(classes, { recursive: true, force: true }))
  const compiled = spawnSync('javac', ['-cp', `${libs}/*`, '-sourcepath', dirname(source), '-d', classes, source], { encoding: 'utf8' })
  return compiled.status === 0 ? { libs, classes } : { missing: `${source} does not compile: ${compiled.stderr}` }
}
