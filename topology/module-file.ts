/**
 * The file from which a worker or a child process starts: `moduleFile(new URL('./worker.ts', import.meta.url))`. In the repository that is the source
 * file. The published package is compiled, so there `worker.ts` becomes `worker.js`.
 */
export function moduleFile(source: URL): URL {
  return import.meta.url.endsWith('.ts') ? source : new URL(source.href.replace(/\.ts$/, '.js'))
}
