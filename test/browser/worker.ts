/** The lab's worker spoken to directly, for numbers and pixels that the page shows but does not print. */
import type { JSHandle, Page } from 'playwright-core';

export type Ask = <T>(method: string, args: unknown) => Promise<T>;

/** Starts a worker beside the page's own. What it throws is an error with its message. */
export async function startWorker(page: Page): Promise<Ask> {
  // A text, since the page's types are not those of the tests.
  const ask = (await page.evaluateHandle(`(() => {
    const worker = new Worker('worker.js', { type: 'module' });
    let next = 1;
    return ({ method, args }) => new Promise((resolve) => {
      const id = next++;
      const hear = ({ data }) => {
        if (data.id !== id || 'report' in data) return;
        worker.removeEventListener('message', hear);
        resolve('error' in data ? { problem: data.error.message } : { answer: data.result });
      };
      worker.addEventListener('message', hear);
      worker.postMessage({ id, method, args });
    });
  })()`)) as JSHandle<(question: { method: string; args: unknown }) => Promise<{ answer?: unknown; problem?: string }>>;
  return async <T>(method: string, args: unknown): Promise<T> => {
    const { answer, problem } = await ask.evaluate((call, question) => call(question), { method, args });
    if (problem !== undefined) throw new Error(problem);
    return answer as T;
  };
}
