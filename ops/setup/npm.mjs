import { spawnSync } from 'node:child_process'
import { basename } from 'node:path'

/**
 * Runs npm without its usual output. It runs the npm that started this process, or else the npm on the path. If npm fails, throws an error with npm's
 * own error lines, the cause first.
 */
export function npm(argv, cwd) {
  const started = process.env.npm_execpath || ''
  const own = basename(started) === 'npm-cli.js'
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-update-notifier', '--loglevel=error']
  const result = spawnSync(own ? process.execPath : 'npm', (own ? [started] : []).concat(argv, quiet), {
    cwd,
    encoding: 'utf8',
    env: withoutSettingsOfARunningNpm(),
    shell: !own && process.platform === 'win32',
    maxBuffer: 16 * 1024 * 1024,
  })
  if (result.error) throw new Error(`npm does not start (${result.error.message}). Install npm, which comes with Node.`)
  if (result.status !== 0) {
    throw new Error(`npm ${argv.join(' ')} failed. ${causeIn(result.stderr || result.stdout || '')}`)
  }
}

/** The lines of npm's output that contain the cause. They come after warnings and before general advice. */
function causeIn(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && line.indexOf('complete log') < 0)
  const errors = lines.filter((line) => /^npm (error|ERR!)/.test(line)).map((line) => line.replace(/^npm (error|ERR!) ?/, ''))
  const said = (errors.length > 0 ? errors : lines).filter((line) => !/^(code|errno|syscall|network)?\s*$/.test(line))
  return said.slice(0, 6).join('\n  ')
}

/** The environment without the settings that `npm start` exports, because an npm that `npm start` runs must find its own settings. */
function withoutSettingsOfARunningNpm() {
  const env = Object.assign({}, process.env)
  for (const name of ['npm_config_local_prefix', 'npm_config_prefix', 'npm_config_global_prefix', 'npm_package_json']) delete env[name]
  return env
}
