import { useEffect, useState } from 'htm/preact/standalone'
import { answered, failureOf } from './api.js'

/**
 * Reads a path of the API now and every `everyMs`, while `path` is not null. Returns the last answer, the problem, and a function that reads at once.
 */
export function usePolled(path, everyMs = 5000) {
  const [read, setRead] = useState({ path: null, answer: null, problem: null })
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    if (path === null) return
    let isOver = false
    let timer = null
    const load = async () => {
      try {
        const answer = await answered(path)
        if (!isOver) setRead({ path, answer, problem: null })
      } catch (error) {
        // The last answer is kept, so that the page still shows data while the server restarts.
        if (!isOver) setRead((before) => ({ path, answer: before.path === path ? before.answer : null, problem: failureOf(error) }))
      }
      if (!isOver && everyMs > 0) timer = setTimeout(load, everyMs)
    }
    void load()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [path, everyMs, turn])
  const isOwn = read.path === path
  return { answer: isOwn ? read.answer : null, problem: isOwn ? read.problem : null, reload: () => setTurn((count) => count + 1) }
}
