"use strict";

/**
 * A function ask(question, tell) whose answers come from a worker, made of the text of the engine,
 * or, where there are no workers, from this thread. Answers to former questions are dropped.
 */
function solverOf(engine, worker) {
  const solver = new Solver();
  let thread = null, last = 0, asked = null, hear = null;
  try {
    const url = URL.createObjectURL(new Blob([engine, worker], { type: "text/javascript" }));
    thread = new Worker(url);
    thread.onmessage = ({ data: { id, answer } }) => { if (id === last) hear(answer); };
    thread.onerror = () => {
      thread = null;
      if (asked) solver.solve(asked, hear);
    };
  } catch {
    thread = null;
  }
  return (question, tell) => {
    last++;
    [asked, hear] = [question, tell];
    if (thread) thread.postMessage({ id: last, question });
    else solver.solve(question, tell);
  };
}
