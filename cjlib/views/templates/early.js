"use strict";
(function () {
  var root = document.documentElement;
  root.classList.add("js", "summary");
  try {
    var theme = localStorage.getItem("cj-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    if (localStorage.getItem("cj-view") === "full") root.classList.remove("summary");
  } catch (refused) { /* a browser that keeps nothing: the system's theme and the summary it is */ }
})();
